// Package backendtest is the contract of backends (see package backends) as a test suite. A backend's own test is a few
// lines:
//
//	func TestBackend(t *testing.T) {
//		t.Parallel()
//		backendtest.Run(t, backendtest.Harness{
//			Persistent: true,
//			New: func(t *testing.T) backendtest.Instance {
//				path := filepath.Join(t.TempDir(), "events.db")
//				open := func(t *testing.T) *asyncevents.Backend {
//					backend, err := sqlite.Open(t.Context(), path, nil)
//					require.NoError(t, err)
//					return backend
//				}
//				return backendtest.Instance{Backend: open(t), Reopen: open}
//			},
//		})
//	}
//
// Run checks the contract, RunVariant a part of it for one more way to connect, and PubSub runs Watermill's own suite over the
// transport. They use real time, because databases have clocks of their own, and real concurrency: run them with -race. All cases
// run in parallel, each on an Instance of its own, which is closed at its end.
package backendtest
