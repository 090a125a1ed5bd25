// Package bench measures what the README says of Redrive's speed. It is a module of its own, so that what it
// compares with is no dependency of the library, and it is never imported.
//
//	make bench | tee new.txt
//
// Every benchmark reports the figures that are quoted as metrics of their own. Machines differ and are noisy: compare
// within one run, quote ratios and medians.
package bench
