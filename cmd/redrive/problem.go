package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Codes of the management API that mean more to this program than their text.
const (
	codeUnsupported    = 203501
	codeBadImport      = 203504
	codeNoPath         = 203520
	codeNoQueue        = 203521
	codeNoEntry        = 203522
	codeNoJob          = 203523
	codeNoExport       = 203524
	codeJobRuns        = 203530
	codeCountDiffers   = 203531
	codeExportNotReady = 203532
	codeExportRuns     = 203533
	codeNotPaused      = 203534
)

// problem is an error that the server answered with.
type problem struct {
	Status int `json:"-"`
	Reason struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	// Count is how many entries there are, when an erasure was not confirmed.
	Count *int64 `json:"count"`
}

func (p *problem) Error() string { return p.Reason.Message }

// advices say what to do about a problem, by its code, or by its status where the code says nothing.
var advices = map[int]string{
	codeUnsupported:    "bring the service up to date: it does not know this yet. Without it, the command would mean more than you asked for",
	codeBadImport:      "name a file that redrive export wrote; what stands before the fault was imported, and is skipped the next time",
	codeNoPath:         "check -url: it has to lead to where the management is mounted; or the service is older than this command",
	codeNoQueue:        "redrive queues lists those there are",
	codeNoEntry:        "redrive list QUEUE shows what is there; it may have been moved back or erased meanwhile",
	codeNoJob:          "redrive jobs QUEUE lists those that were",
	codeNoExport:       "redrive exports QUEUE lists those there are",
	codeJobRuns:        "redrive job watch QUEUE follows it, redrive job stop QUEUE ends it",
	codeCountDiffers:   "look again at what is there, and confirm the present count",
	codeExportNotReady: "redrive exports QUEUE shows how far it is",
	codeExportRuns:     "redrive exports QUEUE shows how far it is; erase when it is completed",
	codeNotPaused:      "redrive job show QUEUE shows how it stands",

	http.StatusUnauthorized:       "put the management's token into REDRIVE_TOKEN, or into a file that -token-file names",
	http.StatusForbidden:          "ask those who run the service for the right to do this",
	http.StatusServiceUnavailable: "the service cannot use its store now; its log says why",
}

// newRefusal says that the server did not do what it was asked for.
func newRefusal(r *request, response *http.Response) *failure {
	p := &problem{Status: response.StatusCode}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	where := response.Request.Method + " " + response.Request.URL.String()
	if err != nil || json.Unmarshal(body, p) != nil || p.Reason.Message == "" {
		return p.bare(response, where)
	}
	f := &failure{code: p.exitCode(), where: where, advice: p.advice(), err: p,
		what: fmt.Sprintf("%s (%d, code %d)", p.Reason.Message, p.Status, p.Reason.Code)}
	if len(r.path) > 1 && r.path[0] == "queues" {
		f.advice = strings.ReplaceAll(f.advice, "QUEUE", commandLine(r.path[1])) // so that it can be pasted
	}
	if after := response.Header.Get("Retry-After"); after != "" {
		f.advice = "try again in " + after + " s; " + f.advice
	}
	return f
}

// bare is the failure of an answer that says nothing but its status: a proxy's, or some other server's.
func (p *problem) bare(response *http.Response, where string) *failure {
	f := newStrangeAnswer(response)
	f.where, f.err = where, p
	if advice, ok := advices[p.Status]; ok {
		f.code, f.advice = p.exitCode(), advice
	}
	if to := response.Header.Get("Location"); p.Status/100 == 3 && to != "" {
		f.what, f.advice = "the server leads elsewhere: to "+to, "give the -url that is meant; the token is not sent after it"
	}
	return f
}

func (p *problem) advice() string {
	if advice, ok := advices[p.Reason.Code]; ok {
		return advice
	}
	return advices[p.Status]
}

func (p *problem) exitCode() int {
	switch {
	case p.Status >= 500, p.Reason.Code == codeNoPath, p.Reason.Code == codeBadImport: // a part may have been imported
		return exitFailed
	case p.Status == http.StatusNotFound:
		return exitNothing
	}
	return exitRefused
}

// mayPass is whether the same request may well go through a little later.
func mayPass(err error) bool {
	if errors.Is(err, errNoAnswer) {
		return true
	}
	p, ok := errors.AsType[*problem](err)
	return ok && (p.Status >= 500 || p.Status == http.StatusTooManyRequests)
}
