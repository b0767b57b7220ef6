// Package release is the pure half of releasing one repository: what a tag says, what a snapshot of the world holds, what
// the rules make of it, the plan that follows, the bill of lading and the report. Nothing here touches the world or asks
// for the time.
//
// The other half is beside it: source reads the commit, observe makes the snapshot, ship does the steps, prove holds a
// release against its bill.
package release
