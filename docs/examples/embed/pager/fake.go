package pager

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// Fake stands for the provider. The room "attic" is closed.
type Fake struct {
	Token string

	mu    sync.Mutex
	made  int
	pages map[string][]Page
}

// Page is one that was sent.
type Page struct{ ID, Text string }

// Pages are those of a room.
func (f *Fake) Pages(room string) []Page {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.pages[room])
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var post struct{ Room, Text string }
	switch {
	case r.Header.Get("Authorization") != "Bearer "+f.Token:
		refuse(w, http.StatusUnauthorized, "token_expired", "the token is not valid")
	case r.Method != http.MethodPost || r.URL.Path != "/pages":
		refuse(w, http.StatusNotFound, "", "nothing is here")
	case json.NewDecoder(r.Body).Decode(&post) != nil || post.Text == "":
		refuse(w, http.StatusBadRequest, "", "want a room and a text")
	case post.Room == "attic":
		refuse(w, http.StatusConflict, "room_closed", "the attic is closed")
	case len([]rune(post.Text)) > maxText:
		refuse(w, http.StatusBadRequest, "text_too_long", "the text is too long")
	default:
		f.mu.Lock()
		defer f.mu.Unlock()
		f.made++
		page := Page{ID: fmt.Sprintf("page-%d", f.made), Text: post.Text}
		if f.pages == nil {
			f.pages = make(map[string][]Page)
		}
		f.pages[post.Room] = append(f.pages[post.Room], page)
		answer(w, http.StatusCreated, map[string]string{"id": page.ID})
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]string{"code": code, "message": message})
}

func answer(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
