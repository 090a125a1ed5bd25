// Package browsertest has tests of the management's pages in a browser. It is a module of its own, so that nobody who imports the
// library gets a browser's protocol with it.
//
// The tests take Chromium from the path; "make test-browser" installs it where it is missing. They keep pictures of the pages in
// the folder screenshots.
package browsertest
