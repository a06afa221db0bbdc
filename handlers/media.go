package handlers

import (
	"context"
	"errors"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

// MediaRules say which media a bridge takes.
type MediaRules = media.Policy

// MediaFallback is the default media policy: what the channel or the rules do not
// take becomes its fallback text, where the envelope says media_policy
// "fallback_text", and is refused elsewhere.
type MediaFallback struct {
	// Default is the media_policy of envelopes that have none; empty is "reject".
	Default string
	// Rules are the bridge's.
	Rules MediaRules
}

// Apply implements MediaPolicy.
func (f MediaFallback) Apply(_ context.Context, e *tasks.Envelope, c tasks.Capabilities) (map[string]any, error) {
	if !e.Operation.IsMedia() {
		return nil, nil
	}
	if !c.Supports(e.Operation) {
		return f.refuse(e, &classify.Error{
			Op: string(e.Operation), Reason: classify.ReasonUnsupportedOperation, Sent: classify.SentNo,
			Reply: classify.Reply{Message: "the channel takes no " + string(e.Operation) + "; set opts.media_policy to fallback_text and give a fallback_text to send text instead"},
		})
	}
	if err := f.Rules.Check(e.Payload.Media); err != nil {
		return f.refuse(e, err)
	}
	return map[string]any{"accepted": []string{string(e.Payload.Media.Kind)}}, nil
}

// refuse turns the envelope into its fallback text, or answers the error.
func (f MediaFallback) refuse(e *tasks.Envelope, err error) (map[string]any, error) {
	policy := f.Default
	if e.Opts != nil && e.Opts.MediaPolicy != "" {
		policy = e.Opts.MediaPolicy
	}
	kind, cause := string(e.Payload.Media.Kind), classify.Classify(err)
	told := map[string]any{"rejected": []string{kind}, "causes": []string{string(cause.Reason)}, "fallback": false}
	if cause.Reason == classify.ReasonMediaRejected {
		told["detail"] = cause.Provider.Message
	}
	fallback := e.Payload.Media.FallbackText
	if policy != "fallback_text" || fallback == "" {
		return told, err
	}
	e.Operation = map[tasks.Operation]tasks.Operation{tasks.SendMedia: tasks.Send, tasks.EditMedia: tasks.Edit}[e.Operation]
	e.Payload = tasks.Text(fallback)
	told["fallback"] = true
	return told, nil
}

// mediaPolicy is the bridge's.
func (b *Bridge) mediaPolicy() MediaPolicy {
	if b.Hooks.Media != nil {
		return b.Hooks.Media
	}
	return MediaFallback{Rules: b.Media}
}

func (p *pipeline) applyMediaPolicy(ctx context.Context, d *delivery) *end {
	media, err := d.bridge.mediaPolicy().Apply(ctx, &d.env, d.bridge.Channel.Capabilities())
	d.media = media
	if err != nil {
		return failed(unsent(classify.ReasonMediaRejected, err))
	}
	if sender(d.bridge.Channel, d.env.Operation) == nil {
		return refuse(classify.ReasonUnsupportedOperation,
			"channel "+d.bridge.Channel.Type()+" has no "+string(d.env.Operation))
	}
	return nil
}

// fetchMedia gets the bytes of media that the channel uploads, before anything is in
// flight. Where an earlier attempt delivered the media, only texts are left.
func (p *pipeline) fetchMedia(ctx context.Context, d *delivery) *end {
	m := d.env.Payload.Media
	if !d.env.Operation.IsMedia() || m.Data == "" && !d.bridge.Channel.Capabilities().FetchesMedia {
		return nil
	}
	if e := p.claim(ctx, d); e != nil {
		return e
	}
	if d.progress.Done > 0 {
		return nil
	}
	content, release, err := media.NewFetcher(d.bridge.Media).Fetch(ctx, m)
	if err == nil {
		d.content, d.release = content, release
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return &end{kind: stopping}
	}
	fallback, ours := d.bridge.mediaPolicy().(MediaFallback)
	if classify.Classify(err).Category != classify.Terminal || !ours {
		return failed(unsent(classify.ReasonMediaRejected, err))
	}
	if d.media, err = fallback.refuse(&d.env, err); err != nil {
		return failed(unsent(classify.ReasonMediaRejected, err))
	}
	return nil
}
