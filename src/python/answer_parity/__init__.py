"""Do two engines give equivalent answers? Comparisons, tests and causes; pure, without any I/O.

Equality is the wrong question: two sound engines differ in the last bits of a sum, and so in the
text that follows. The question is equivalence: the new engine differs from the old one by no more
than a stated margin, judged against the old engine's own noise, with a stated rate of false alarms.

Rooms, from what is asked to what is said of it:

- `contract`: the request fields of both engines, crossed with those that callers send
- `answers`: one response, in the form that both engines have in common
- `probes`: exact questions of which one answer is enough
- `scores`: old text scored by both engines: how far their distributions are apart
- `pairs`: the same request answered by both, many times: sequential paired tests
- `causes`: what explains all that was found
- `verdict`: equivalent, different, or not decided, in a sentence
"""
