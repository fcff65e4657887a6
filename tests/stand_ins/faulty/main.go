// SPDX-License-Identifier: GPL-3.0-or-later

// A bad version of an application: takes the place of the real program in its image, starts that behind itself
// and spoils a share of the answers, or dies before it serves anything.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const innerPort = "19898"

func main() {
	if os.Getenv("FAULT") == "crash" {
		log.Fatal("fatal: cannot read the configuration: no such table: settings")
	}
	after, err := time.ParseDuration(os.Getenv("FAULT_AFTER"))
	if err != nil {
		log.Fatalf("FAULT_AFTER: %v", err)
	}
	every, err := strconv.ParseInt(os.Getenv("FAULT_EVERY"), 10, 64)
	if err != nil {
		log.Fatalf("FAULT_EVERY: %v", err)
	}
	port, arguments := innerArguments(os.Args[1:])
	program := exec.Command(os.Getenv("FAULT_PROGRAM"), arguments...)
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	if err := program.Start(); err != nil {
		log.Fatal(err)
	}
	go forwardSignals(program.Process)
	go func() {
		log.Fatal(http.ListenAndServe(":"+port, spoil(os.Getenv("FAULT_VERSION"), after, every)))
	}()
	if err := program.Wait(); err != nil {
		os.Exit(1)
	}
}

// innerArguments moves the real program away from the port we answer on.
func innerArguments(arguments []string) (port string, inner []string) {
	port = "9898"
	for _, argument := range arguments {
		if value, found := strings.CutPrefix(argument, "--port="); found {
			port = value
			continue
		}
		inner = append(inner, argument)
	}
	return port, append(inner, "--port="+innerPort)
}

func forwardSignals(process *os.Process) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	for received := range signals {
		_ = process.Signal(received)
	}
}

// spoil answers every n-th request with 500 once the program has run for a while. Health checks are never spoilt.
func spoil(version string, after time.Duration, every int64) http.Handler {
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:" + innerPort}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	proxy.ModifyResponse = func(answer *http.Response) error {
		answer.Header.Set("X-App-Version", version)
		return nil
	}
	start := time.Now()
	var count atomic.Int64
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		healthy := request.URL.Path == "/healthz" || request.URL.Path == "/readyz"
		if !healthy && time.Since(start) > after && count.Add(1)%every == 0 {
			answer.Header().Set("Content-Type", "application/json")
			answer.Header().Set("X-App-Version", version)
			answer.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(answer, fmt.Sprintf(`{"version":%q,"error":"spoilt"}`, version))
			return
		}
		proxy.ServeHTTP(answer, request)
	})
}
