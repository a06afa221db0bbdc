package discordfake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// payload is the JSON of a message, new or edited. What is nil was not given.
type payload struct {
	Content         *string          `json:"content"`
	Nonce           json.RawMessage  `json:"nonce"`
	EnforceNonce    bool             `json:"enforce_nonce"`
	Flags           int              `json:"flags"`
	AllowedMentions *allowedMentions `json:"allowed_mentions"`
	Reference       *reference       `json:"message_reference"`
	Attachments     *[]attachmentRef `json:"attachments"`

	files []file
}

type allowedMentions struct {
	Parse []string `json:"parse"`
}

type reference struct {
	MessageID       id    `json:"message_id"`
	FailIfNotExists *bool `json:"fail_if_not_exists"`
}

// attachmentRef is an attachment to keep, or one of the files.
type attachmentRef struct {
	ID       id     `json:"id"`
	Filename string `json:"filename"`
}

// file is files[id] of a form.
type file struct {
	id, name, kind string
	size           int64
}

// id is a text or a number in JSON.
type id string

// UnmarshalJSON reads either.
func (i *id) UnmarshalJSON(b []byte) error {
	*i = id(strings.Trim(string(b), `"`))
	return nil
}

// refusal is an answer that is an error.
type refusal struct {
	status, code int
	message      string
	faults       faults
}

// Error is the message.
func (r *refusal) Error() string { return r.message }

// faults are the "errors" of a refusal, by the name of the field.
type faults map[string]any

// fault is what is wrong with one field.
func fault(code, message string) faults {
	return faults{"_errors": []map[string]string{{"code": code, "message": message}}}
}

func invalidForm(f faults) error {
	return &refusal{http.StatusBadRequest, 50035, "Invalid Form Body", f}
}

var (
	errTooLarge = &refusal{http.StatusRequestEntityTooLarge, 40005, "Request entity too large", nil}
	errNoJSON   = &refusal{http.StatusBadRequest, 50109, "The request body contains invalid JSON.", nil}
)

// payload reads and checks the body of a message.
func (c *call) payload() (payload, error) {
	var p payload
	body := http.MaxBytesReader(nil, c.r.Body, maxRequest)
	kind, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	var err error
	switch kind {
	case "application/json":
		err = decode(body, &p)
	case "multipart/form-data":
		err = c.readForm(multipart.NewReader(body, params["boundary"]), &p)
	default:
		return p, invalidForm(fault("CONTENT_TYPE_INVALID", `Expected "Content-Type" header to be one of {'application/json'}.`))
	}
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return p, errTooLarge
		}
		return p, err
	}
	return p, p.check()
}

func decode(r io.Reader, p *payload) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if json.Unmarshal(text, p) != nil {
		return errNoJSON
	}
	return nil
}

// readForm reads payload_json and files.
func (c *call) readForm(form *multipart.Reader, p *payload) error {
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errNoJSON, err)
		}
		number, isFile := strings.CutPrefix(strings.TrimSuffix(part.FormName(), "]"), "files[")
		switch {
		case part.FormName() == "payload_json":
			if err := decode(part, p); err != nil {
				return err
			}
		case isFile && part.FileName() != "":
			size, err := io.Copy(io.Discard, part)
			if err != nil {
				return err
			}
			if size > c.maxFile {
				return errTooLarge
			}
			p.files = append(p.files, file{number, part.FileName(), part.Header.Get("Content-Type"), size})
		}
	}
}

// check finds what is wrong with the fields.
func (p *payload) check() error {
	wrong := faults{}
	tooLong := func(field, text string, limit int) {
		if utf8.RuneCountInString(text) > limit {
			wrong[field] = fault("BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", limit))
		}
	}
	if p.Content != nil {
		tooLong("content", *p.Content, maxContent)
	}
	tooLong("nonce", p.nonce(), maxNonce)
	if p.AllowedMentions != nil {
		for _, what := range p.AllowedMentions.Parse {
			if !slices.Contains([]string{"users", "roles", "everyone"}, what) {
				wrong["allowed_mentions"] = faults{"parse": fault("BASE_TYPE_CHOICES", "Value must be one of {'users', 'roles', 'everyone'}.")}
			}
		}
	}
	if len(wrong) > 0 {
		return invalidForm(wrong)
	}
	return nil
}

// nonce is the nonce as a text, empty for none.
func (p *payload) nonce() string {
	if string(p.Nonce) == "null" {
		return ""
	}
	return strings.Trim(string(p.Nonce), `"`)
}

// empty is true where there is neither a text nor an attachment.
func empty(text string, attachments int) bool {
	return strings.TrimSpace(text) == "" && attachments == 0
}

// callsEverybody is true where the text calls everybody, and may.
func (p *payload) callsEverybody() bool {
	if p.Content == nil || p.AllowedMentions != nil && !slices.Contains(p.AllowedMentions.Parse, "everyone") {
		return false
	}
	return strings.Contains(*p.Content, "@everyone") || strings.Contains(*p.Content, "@here")
}
