// Package bench measures Tagboat against cargo and against its own promises, on embedded registries and an embedded
// GitHub over real loopback HTTP. Nothing here is part of the product: the measurements are tests behind the build tag
// "bench", run by `make bench`, which writes docs/benchmarks.md.
//
// A timed test asserts only that the work was done. Times depend on the machine, so what is promised is a ratio of two
// measurements of the same run, or a bound with room, and the document says of each whether it was met.
package bench
