package record

import "testing"

func TestTheCommitWhoseContentRuns(t *testing.T) {
	rec := func(revision int, commit, digest string, action Action, o Outcome) *Record {
		return &Record{Revision: revision, Commit: commit, Digest: digest, Action: action, Outcome: o}
	}
	first, second := rec(1, "a", "1", Install, Good), rec(2, "b", "2", Upgrade, Failed)
	for sentence, c := range map[string]struct {
		history History
		want    string
	}{
		"a deploy's is its own":                         {History{first}, "a"},
		"after a way back it is what was gone back to":  {History{first, second, rec(3, "b", "1", Rollback, Good)}, "a"},
		"a revert's is its own: git asks for it":        {History{first, rec(2, "b", "2", Upgrade, Good), rec(3, "c", "1", Rollback, Good)}, "c"},
		"of what is not known any more it is the way's": {History{second, rec(3, "b", "1", Rollback, Good)}, "b"},
	} {
		if have := c.history.Content(c.history.Last()); have != c.want {
			t.Errorf("%s: %s, not %s", sentence, have, c.want)
		}
	}
}
