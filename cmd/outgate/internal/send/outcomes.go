package send

import (
	"context"
	"fmt"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
)

// Outcomes counts the outcomes of the envelopes of a file.
type Outcomes struct {
	Delivered  int              `json:"delivered"`
	Superseded int              `json:"superseded"`
	Failed     []OutcomeFailure `json:"failed"`
}

// OutcomeFailure is an envelope that was not delivered, with its error.
type OutcomeFailure struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

// await waits for the outcomes of the accepted envelopes. A failed delivery does not
// stop it.
func (s *sender) await(ctx context.Context) error {
	report := &Outcomes{Failed: []OutcomeFailure{}}
	s.report.Outcomes = report
	bar := s.options.Bar(int64(len(s.receipts)), "delivering")
	defer func() { _ = bar.Finish() }()
	waiting, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	for i, r := range s.receipts {
		o, err := s.options.Client.Wait(waiting, r)
		switch {
		case err != nil && ctx.Err() == nil && waiting.Err() != nil:
			return fmt.Errorf("no outcome of %s after %s: all are accepted and may still be delivered",
				human.Count(len(s.receipts)-i, "envelope"), s.options.Timeout)
		case err != nil:
			return err
		case o.Superseded != nil:
			report.Superseded++
		case o.Success != nil:
			report.Delivered++
		default:
			_ = bar.Clear()
			s.options.Warn("%s: %s", r.ID, human.OneLine(o.Err().Error()))
			report.Failed = append(report.Failed, OutcomeFailure{r.ID, human.OneLine(o.Err().Error())})
		}
		_ = bar.Add(1)
	}
	if len(report.Failed) > 0 {
		return fmt.Errorf("%s not delivered", human.Count(len(report.Failed), "envelope"))
	}
	return nil
}
