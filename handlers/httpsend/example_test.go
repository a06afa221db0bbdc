package httpsend_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/outgate/outgate/handlers/httpsend"
)

func ExampleSender_Do() {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no room at "+r.URL.Path, http.StatusNotFound)
	}))
	defer provider.Close()

	s := httpsend.New(httpsend.Config{Channel: "example", AllowPrivate: true, Secrets: []string{"t0ken"}})
	defer s.Close()
	u, _ := url.Parse(provider.URL + "/t0ken/send")
	reply, err := s.Do(context.Background(), httpsend.Request{Op: "send", Method: http.MethodPost, URL: u, Body: []byte(`{}`)})
	if err != nil {
		fmt.Println(err) // no answer
		return
	}
	if !reply.OK() {
		fmt.Println(s.Refused("send", reply, "", string(reply.Body)))
	}
	// Output:
	// example send: status 404: no room at /[redacted]/send
}
