package media_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

func ExampleFetcher_Fetch() {
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "%PDF-1.7 and so on")
	}))
	defer host.Close()

	f := media.NewFetcher(media.Policy{
		Types:        []string{"image/*", "application/pdf"},
		MaxBytes:     1 << 20,
		AllowPrivate: true, // the host is on this machine
	})
	c, release, err := f.Fetch(context.Background(), &tasks.Media{
		Kind: tasks.File, URL: host.URL + "/invoices/2026-07.pdf?token=secret",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer release()
	fmt.Println(c.Filename, c.MediaType, c.Size)
	// Output:
	// 2026-07.pdf application/pdf 18
}

func ExamplePolicy_Check() {
	p := media.Policy{Kinds: []tasks.MediaKind{tasks.Image}}
	fmt.Println(p.Check(&tasks.Media{Kind: tasks.Image, URL: "https://cdn.example.com/cat.png"}))
	fmt.Println(p.Check(&tasks.Media{Kind: tasks.Video, URL: "https://cdn.example.com/cat.mp4"}))
	// Output:
	// <nil>
	// fetch: media_rejected: the media is of kind video, the bridge takes only [image]
}
