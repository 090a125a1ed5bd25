//go:build race

package asyncevents_test

func init() { slowdown = 5 }
