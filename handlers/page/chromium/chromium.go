// Package chromium drives a headless Chromium in tests.
package chromium

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Browser is a headless Chromium that a test drives over a pipe in the DevTools
// protocol: JSON texts that end in a zero byte.
type Browser struct {
	t       *testing.T
	to      io.Writer
	session string

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	// logged holds the page's console output and its errors.
	logged []string
}

// patience is how long a test waits for a condition.
const patience = 30 * time.Second

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// New starts Chromium; the end of the test ends it. If Chromium is not installed, the
// test is skipped; it fails if CI is set or OUTGATE_CHROMIUM is "required".
func New(t *testing.T) *Browser {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("OUTGATE_CHROMIUM") == "required" || os.Getenv("CI") != "" {
			t.Fatal("chromium is not installed (apt-get install chromium), and it is required")
		}
		t.Skip("chromium is not installed (apt-get install chromium): the page is not tested in a browser")
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, answers}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirs.Close(), answers.Close()
	b := &Browser{t: t, to: ours, waiting: make(map[int]chan reply)}
	go b.listen(from)
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it has a process group of its own
		_ = cmd.Wait()
		_, _ = ours.Close(), from.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *Browser) listen(from io.Reader) {
	in := bufio.NewReader(from)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			reply
			ID     int
			Method string
			Params json.RawMessage
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if m.ID > 0 {
			b.waiting[m.ID] <- m.reply
			delete(b.waiting, m.ID)
		} else if m.Method == "Runtime.exceptionThrown" || m.Method == "Log.entryAdded" || m.Method == "Runtime.consoleAPICalled" {
			b.logged = append(b.logged, string(m.Params))
		}
		b.mu.Unlock()
	}
}

// call makes one call of the protocol; into may be nil.
func (b *Browser) call(method string, params map[string]any, into any) {
	b.t.Helper()
	answer := make(chan reply, 1)
	b.mu.Lock()
	b.last++
	request := map[string]any{"id": b.last, "method": method}
	b.waiting[b.last] = answer
	b.mu.Unlock()
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	select {
	case r := <-answer:
		if r.Error != nil {
			b.t.Fatalf("%s: %s", method, r.Error.Message)
		}
		if into != nil {
			if err := json.Unmarshal(r.Result, into); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(patience):
		b.t.Fatalf("%s: got no answer within %s", method, patience)
	}
}

// Open goes to an address and waits until the page is live.
func (b *Browser) Open(url string) {
	b.t.Helper()
	b.Visit(url)
	b.Until(`document.documentElement?.dataset.live === "yes"`)
}

// Visit goes to an address and does not wait until the page is live.
func (b *Browser) Visit(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
}

// Eval runs a script in the page and returns its result as text.
func (b *Browser) Eval(script string) string {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", script, r.ExceptionDetails)
	}
	if r.Result.Value == nil {
		return ""
	}
	return fmt.Sprint(r.Result.Value)
}

// Until waits until a script is true.
func (b *Browser) Until(script string) {
	b.t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for b.Eval("!!("+script+")") != "true" {
		select {
		case <-late:
			b.t.Fatalf("after %s: got a false value of %s, want true; the page reads\n%s", patience, script, b.Eval("document.body.innerText"))
		case <-tick.C:
		}
	}
}

// Shows waits until the text of an element contains some words.
func (b *Browser) Shows(selector, words string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, words))
}

// Click waits for an element and clicks it.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("document.querySelector(%q)", selector))
	b.Eval(fmt.Sprintf("document.querySelector(%q).click()", selector))
}

// Press presses a key on the element that has the focus.
func (b *Browser) Press(key string) {
	b.t.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowDown": 40, "End": 35, "Home": 36}
	p := map[string]any{"type": "rawKeyDown", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
	if key == "Enter" {
		p["type"], p["text"] = "keyDown", "\r"
	}
	b.call("Input.dispatchKeyEvent", p, nil)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}, nil)
}

// Look sets the size of the window and its colour scheme.
func (b *Browser) Look(width, height int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
	}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
	}, nil)
}

// Shoot saves a screenshot of the whole page in the folder OUTGATE_SCREENSHOTS, if that
// is set. If a dialog is open, it saves the window only.
func (b *Browser) Shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("OUTGATE_SCREENSHOTS")
	if folder == "" {
		return
	}
	b.Until(`document.getAnimations().length === 0`)
	var picture struct{ Data string }
	whole := b.Eval(`!document.querySelector("dialog[open]")`) == "true"
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": whole}, &picture)
	data, err := base64.StdEncoding.DecodeString(picture.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), data, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// Quiet fails if the page logged anything, such as an error of a script or a violation
// of the Content-Security-Policy.
func (b *Browser) Quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.logged) > 0 {
		b.t.Errorf("got messages in the console, want none:\n%s", strings.Join(b.logged, "\n"))
	}
}
