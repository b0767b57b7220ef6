package registrytwin

import (
	"net/http"
	"time"
)

type bucketKey struct {
	label    string
	newCrate bool
}

// level is how full a bucket is.
type level struct {
	tokens int
	refill time.Time
}

// take takes a token from the caller's bucket and returns the refusal where there is none. Like crates.io it counts an
// upload that is refused later, and fills the bucket only when somebody asks
// (https://github.com/rust-lang/crates.io/blob/main/src/rate_limiter.rs).
func (t *Twin) take(who identity, existing bool) *refusal {
	bucket, sentence := t.config.Buckets.NewCrate, "You have published too many new crates in a short period of time"
	if existing {
		bucket, sentence = t.config.Buckets.NewVersion, "You have published too many updates to existing crates in a short period of time"
	}
	if bucket.Burst <= 0 || bucket.Refill <= 0 {
		return nil
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	key := bucketKey{who.label(), !existing}
	l := t.buckets[key]
	if l == nil {
		t.buckets[key] = &level{bucket.Burst, now}
		return nil
	}
	added := int(now.Sub(l.refill) / bucket.Refill)
	l.tokens = min(bucket.Burst, max(0, l.tokens-1)+added)
	l.refill = l.refill.Add(time.Duration(added) * bucket.Refill)
	if l.tokens >= 1 {
		return nil
	}
	until := l.refill.Add(bucket.Refill).UTC()
	// The date has whole seconds; one that lies a moment too early would cost the client a second refusal.
	if whole := until.Truncate(time.Second); whole.Before(until) {
		until = whole.Add(time.Second)
	}
	return &refusal{
		status: http.StatusTooManyRequests, retryAfter: until,
		detail: sentence + ". Please try again after " + until.Format(http.TimeFormat) +
			" and see https://crates.io/docs/rate-limits for more details.",
	}
}
