package main

import (
	"context"
	"fmt"
)

// outcomesReport is what became of the envelopes of a file, where it was waited for.
type outcomesReport struct {
	Delivered  int              `json:"delivered"`
	Superseded int              `json:"superseded"`
	Failed     []outcomeFailure `json:"failed"`
}

type outcomeFailure struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

// await waits for the outcomes of what was accepted. What fails does not keep the
// others back.
func (s *fileSender) await(ctx context.Context) error {
	report := &outcomesReport{Failed: []outcomeFailure{}}
	s.report.Outcomes = report
	bar := s.options.Bar(int64(len(s.receipts)), "delivering")
	defer func() { _ = bar.Finish() }()
	waiting, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	for i, r := range s.receipts {
		o, err := s.options.Client.Wait(waiting, r)
		switch {
		case err != nil && ctx.Err() == nil && waiting.Err() != nil:
			return fmt.Errorf("%s after %s without an outcome: accepted they are, and may yet be delivered",
				count(len(s.receipts)-i, "envelope"), s.options.Timeout)
		case err != nil:
			return err
		case o.Superseded != nil:
			report.Superseded++
		case o.Success != nil:
			report.Delivered++
		default:
			_ = bar.Clear()
			s.options.Warn("%s: %s", r.ID, oneLine(o.Err().Error()))
			report.Failed = append(report.Failed, outcomeFailure{r.ID, oneLine(o.Err().Error())})
		}
		_ = bar.Add(1)
	}
	if len(report.Failed) > 0 {
		return fmt.Errorf("%s not delivered", count(len(report.Failed), "envelope"))
	}
	return nil
}
