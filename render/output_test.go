package render

import "testing"

// What a program was given in the open is taken out of what it wrote where nobody can tell
// what is secret, but for words that all know.
func TestOutputOfAnUnknownReleaseShowsNothingItWasGiven(t *testing.T) {
	const text = "dial zq81xk-vn42:5432 failed"
	given := []string{"zq81xk-vn42", "failed"}
	if have := MaskOutput(nil, text, given); have != text {
		t.Errorf("a release without secrets: %q", have)
	}
	if have, want := MaskOutput(UnknownSecrets(), text, given), "dial (masked):5432 failed"; have != want {
		t.Errorf("an unknown release: %q, want %q", have, want)
	}
}
