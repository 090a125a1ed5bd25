package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.9.8.7": true, "::1": true, "[::1]": true, "localhost": true, "LocalHost.": true,
		"a.localhost": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "example.com": false, "localhost.example.com": false,
		"notlocalhost": false, "127.0.0.1.example.com": false, "0x7f.1": false,
	} {
		assert.Equal(t, want, isLoopback(host), host)
	}
}

// A page from outside whose name leads to 127.0.0.1 must not manage.
func TestManagementRefusesForeignNames(t *testing.T) {
	t.Parallel()
	r := start(t)
	for host, want := range map[string]int{
		"localhost:8080": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:80": http.StatusOK,
		"rebind.example": http.StatusForbidden, "rebind.example:8080": http.StatusForbidden, "10.0.0.1": http.StatusForbidden,
	} {
		status, answer := r.do(t, http.MethodGet, "/manage/api/queues", "", "Host: "+host)
		assert.Equal(t, want, status, host)
		assert.Equal(t, want == http.StatusOK, answer[0] == '{', host)
	}
	withToken := start(t, "-manage-token", "secret")
	status, _ := withToken.do(t, http.MethodGet, "/manage/api/queues", "",
		"Host: redrive.example", "Authorization: Bearer secret")
	assert.Equal(t, http.StatusOK, status, "a token is as good under any name")
}
