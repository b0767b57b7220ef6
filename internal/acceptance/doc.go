// Package acceptance holds the product to its promises with the real cargo, the real git and real processes: what is
// published can be used, its bytes are cargo's, a killed run is finished by the next one, and no token leaks. The tests
// take minutes and have the build tag e2e.
package acceptance
