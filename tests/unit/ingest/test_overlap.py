"""Two templates that may start together never both claim one request; refused ones do, for some request."""

import re

from hypothesis import given
from hypothesis import strategies as st

from ingest.overlap import paths_meet
from ingest.template import Compiled, compile_template
from ingest.template_set import TemplateSet
from ingest.template_text import TemplateError
from schemas.settings import Template
from tests.unit.ingest.many import many

SEGMENTS = st.sampled_from(
    ["a", "b", "ab", "%account[username]%", "%selector%", "%pushToken%", "x%selector%", "%pushappid%b", ""]
)


@st.composite
def templates(draw: st.DrawFn) -> Compiled:
    path = "/".join(draw(st.lists(SEGMENTS, min_size=1, max_size=4))) + draw(
        st.sampled_from(["", "/", "&appid=%pushappid%"])
    )
    template = Template(name="t", url=f"https://h/{path}?s=%selector%&t=%pushToken%")
    return compile_template(template)


def usable(draw_from: st.SearchStrategy[Compiled]) -> st.SearchStrategy[Compiled]:
    @st.composite
    def drawn(draw: st.DrawFn) -> Compiled:
        for _ in range(20):
            try:
                return draw(draw_from)
            except TemplateError:
                continue
        return compile_template(Template(name="t", url="https://h/a?s=%selector%&t=%pushToken%"))

    return drawn()


@st.composite
def paths_of(draw: st.DrawFn, template: Compiled) -> str:
    """A path that the template takes: its variables filled from few signs, so that two templates may meet."""
    found = ""
    order = 0
    for part in template.path.parts:
        text = getattr(part, "text", None)
        if text is None:
            slash = template.path.pattern.fields[order] in ("other_token", "calls_token")
            text = draw(st.text("abx/" if slash else "abx", max_size=3))
            order += 1
        found += text
    return found + draw(st.sampled_from(["", "/"]))


def takes(template: Compiled, path: str) -> bool:
    return bool(TemplateSet([template]).find(path))


@many(150)
@given(usable(templates()), usable(templates()), st.data())
def test_a_path_that_both_take_is_foreseen(one: Compiled, other: Compiled, data: st.DataObject) -> None:
    path = data.draw(paths_of(one))
    if takes(one, path) and takes(other, path):
        assert paths_meet(one.path, other.path)
        assert paths_meet(other.path, one.path)


@many(50)
@given(usable(templates()))
def test_a_template_meets_itself(one: Compiled) -> None:
    assert paths_meet(one.path, one.path)


def test_tables() -> None:
    def meets(one: str, other: str) -> bool:
        first, second = (
            compile_template(Template(name="t", url=f"https://h{path}?s=%selector%&t=%pushToken%")).path
            for path in (one, other)
        )
        return paths_meet(first, second)

    for one, other, expected in [
        ("/a", "/a/", True),
        ("/a", "/b", False),
        ("/a/", "/a/%selector%/", False),
        ("/a/", "/a/%selector%", True),  # an absent selector
        ("/a/%selector%/", "/a/x/", True),
        ("/a/%selector%/", "/a/x/y", False),
        ("/a/%pushToken%", "/a/x/y", True),  # a token may hold a slash
        ("/a/%pushToken%", "/b/x/y", False),
        ("/%account[username]%/a", "/b/%selector%", True),
        ("/%account[username]%/a", "/b/%selector%/c", False),
        ("/a%20b", "/a%20b/", True),
        ("/x-%selector%", "/y-%selector%", False),
    ]:
        assert meets(one, other) is expected, (one, other)


def test_methods_left_open_go_to_nobody_where_two_want_them() -> None:
    form = Template(name="form", url="https://h/t", post_data="s=%selector%&t=%pushToken%")
    query = Template(name="query", url="https://h/t?a=%selector%&b=%pushToken%")
    both = {
        each.name: each.methods for each in TemplateSet([compile_template(form), compile_template(query)]).templates
    }
    assert both == {"form": {"POST"}, "query": {"GET"}}
    alone = TemplateSet([compile_template(query)]).templates[0]
    assert alone.methods == {"GET", "POST", "PUT"}
    only = Template(name="only", url="https://h/t?a=%selector%&b=%pushToken%", method="PUT")
    assert TemplateSet([compile_template(only)]).templates[0].methods == {"PUT"}
    removal = Template(name="gone", kind="removal", url="https://h/t?s=%selector%", method="DELETE")
    assert re.fullmatch("gone", TemplateSet([compile_template(removal)]).templates[0].name)
