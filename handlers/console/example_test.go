package console_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/console"
	"github.com/outgate/outgate/handlers/sandbox"
)

// The console in the server of an app, under /ops/.
func Example() {
	store := miniredis.NewMiniRedis()
	if err := store.Start(); err != nil {
		log.Panic(err)
	}
	defer store.Close()
	rdb := redis.NewClient(&redis.Options{Addr: store.Addr()})
	defer func() { _ = rdb.Close() }()
	worker, err := handlers.New(rdb, handlers.Config{
		Bridges: []*handlers.Bridge{{ID: "orders", Channel: sandbox.New(sandbox.Config{})}},
	})
	if err != nil {
		log.Panic(err)
	}
	if err := worker.Start(context.Background()); err != nil {
		log.Panic(err)
	}
	defer func() { _ = worker.Stop(context.Background()) }()

	ops, err := console.New(worker, console.Config{Token: "s3cret"})
	if err != nil {
		log.Panic(err)
	}
	defer ops.Close()
	mux := http.NewServeMux()
	mux.Handle("/ops/", http.StripPrefix("/ops", ops))
	app := httptest.NewServer(mux)
	defer app.Close()

	ask := func(method, path, token string) {
		r, err := http.NewRequest(method, app.URL+path, strings.NewReader(`{"reason":"maintenance"}`))
		if err != nil {
			log.Panic(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Panic(err)
		}
		defer func() { _ = response.Body.Close() }()
		_, _ = io.Copy(io.Discard, response.Body)
		fmt.Println(response.StatusCode, method, path)
	}
	ask("GET", "/ops/readyz", "")
	ask("GET", "/ops/", "s3cret")
	ask("GET", "/ops/api/v1/overview", "s3cret")
	ask("POST", "/ops/api/v1/bridges/orders/suspend", "")
	ask("POST", "/ops/api/v1/bridges/orders/suspend", "s3cret")
	// Output:
	// 200 GET /ops/readyz
	// 200 GET /ops/
	// 200 GET /ops/api/v1/overview
	// 401 POST /ops/api/v1/bridges/orders/suspend
	// 200 POST /ops/api/v1/bridges/orders/suspend
}
