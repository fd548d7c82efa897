"""The page of a run, read as HTML: what it says, and that it needs and runs nothing."""

import base64
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from elsa_groups.report.examples import ITEMS_SHOWN
from elsa_groups.report.page import PICTURES_UP_TO, Picture, render_page

VOID = {"meta", "img", "br", "input"}
UNDEFINED = "–undefined"


@dataclass
class Element:
    """An element of a page."""

    tag: str
    attributes: dict[str, str | None]
    children: list = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.strings()).split())

    def strings(self):
        for child in self.children:
            yield from [child] if isinstance(child, str) else child.strings()

    def all(self, *tags: str):
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.all(*tags)

    def classed(self, name: str) -> list["Element"]:
        return [e for e in self.all() if name in (e.attributes.get("class") or "").split()]


class Tree(HTMLParser):
    """Reads a page; whatever is not closed in order is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(page)
        self.close()
        assert self.open == [self.root]

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs)
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


def read(parts) -> Element:
    return Tree(render_page(**parts)).root


def table_of(root: Element, name: str) -> list[list[str]]:
    (table,) = root.classed(name)
    return [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")]


def test_every_number_of_the_table_is_that_of_the_summary(page_parts):
    percent = {
        "with a wrong pair": "wrong_pair_share",
        "accepted": "acceptance_rate",
        "users reached": "user_coverage",
    }
    plain = {
        "groups": "groups",
        "mean": "similarity_mean",
        "sd": "similarity_std",
        "random mean": "similarity_random",
        "largest overlap": "member_overlap_max",
        "restarts": "restarts",
        "duplicates": "duplicates",
    }
    heading, *lines = table_of(read(page_parts), "keys")

    assert heading[0] == "key"
    assert set(heading[1:]) == set(percent) | set(plain)
    assert [line[0] for line in lines] == [row["key"] for row in page_parts["rows"]]
    for line, row in zip(lines, page_parts["rows"], strict=True):
        for name, cell in zip(heading[1:], line[1:], strict=True):
            value = row.get((percent | plain)[name])
            if value is None:
                assert cell == UNDEFINED
                continue
            assert cell.endswith("%") == (name in percent)
            shown = cell.removesuffix("%").replace(",", "")
            digits = len(shown.partition(".")[2])
            assert float(shown) == pytest.approx(
                value * (100 if name in percent else 1), abs=0.5000001 * 10**-digits
            )
            assert digits or float(shown) == value
    # One group overlaps with none.
    assert sum(cell == UNDEFINED for line in lines for cell in line) == 1


def test_names_are_text_whatever_they_say(page_parts):
    root = read(page_parts)

    assert {e.tag for e in root.all()} & {"script", "link", "iframe", "object", "form", "a", "base"} == set()
    assert all(name[:2] != "on" for e in root.all() for name in e.attributes)
    told = {element.text for element in root.all("bdi")}
    assert "<script>alert(1)</script>" in told
    assert '"><img src=http://there.example/x onerror=alert(1)>' in told
    assert {"Sigur Rós & Björk", "Matrix, The (1999)", "two lines", "{{ 7 * 7 }}", "Demo & more"} <= told
    assert "ELSA <of> Demo" in root.text


def test_a_novel_is_cut_and_no_control_character_is_left(page_parts):
    page = render_page(**page_parts)
    assert "long " * 15 in page
    assert "long " * 16 not in page
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", page) == []


def test_nothing_is_fetched_and_nothing_may_run(page_parts):
    page_parts["examples"] = {}
    page = render_page(**page_parts)
    root = Tree(page).root

    assert re.findall(r"https?://|url\(|@import|javascript:", page) == []
    places = [
        value for e in root.all() for name, value in e.attributes.items() if name in ("src", "href", "srcset")
    ]
    assert len(places) == 2
    assert all(place.startswith("data:image/png;base64,") for place in places)
    (policy,) = [m for m in root.all("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_pictures_are_inside_with_what_they_show(page_parts):
    root = read(page_parts)
    for image, caption, picture in zip(
        root.all("img"), root.all("figcaption"), page_parts["pictures"], strict=True
    ):
        assert image.attributes["alt"] == picture.alt
        assert caption.text == picture.title
        assert base64.b64decode(image.attributes["src"].partition(",")[2]) == picture.png


def test_pictures_beyond_the_limit_stay_outside(page_parts):
    half = Picture("Half", "Half", bytes(PICTURES_UP_TO // 2))
    assert len(list(read(page_parts | {"pictures": [half, half]}).all("img"))) == 2
    root = read(page_parts | {"pictures": [half, half, Picture("More", "More", b"\0")]})
    assert len(list(root.all("img"))) == 2
    assert "1 more is among the files of the run." in root.text
    assert len(render_page(**page_parts | {"pictures": [half] * 9}).encode()) < 3e6


def test_readers_of_any_kind_find_their_way(page_parts):
    root = read(page_parts)

    (html,) = root.all("html")
    assert html.attributes["lang"] == "en"
    assert (
        "width=device-width"
        in {m.attributes.get("name"): m for m in root.all("meta")}["viewport"].attributes["content"]
    )
    scopes = {th.attributes.get("scope") for th in root.all("th")}
    assert scopes == {"col", "row", "rowgroup"}
    levels = [int(e.tag[1]) for e in root.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for region in root.classed("scroll"):
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["aria-label"]


def test_cautions_come_first_and_only_where_there_are_any(page_parts):
    root = read(page_parts)
    (box,) = root.classed("cautions")
    assert [item.text for item in box.all("li")] == ["Look out. There is 1 < 2.", "And again. There are 2."]
    assert next(h.text for h in root.all("h2")) == box.children[1].text

    assert read(page_parts | {"cautions": ()}).classed("cautions") == []


def test_the_head_says_what_was_asked_and_what_came(page_parts):
    (head,) = read(page_parts).all("header")
    n_pairs = page_parts["record"]["data"]["n_pairs"]
    rows = page_parts["rows"]
    low, high = sorted(rows, key=lambda row: row["similarity_mean"])
    n_wrong = sum(row["wrong_pair_share"] * row["groups"] for row in rows)
    assert [line.text for line in head.all("dd")] == [
        f"{n_pairs} pairs of 8 users and 8 items; groups are drawn from all users",
        "similar 3 · opposing 2+1; similar from the 0.9 quantile, divergent up to 0.95; seed 42",
        f"5 groups of 2 keys, from a mean similarity of {low['similarity_mean']:.3f} ({low['key']}) to"
        f" {high['similarity_mean']:.3f} ({high['key']}); {n_wrong:.0f} of them hold a wrong pair",
    ]


def test_the_head_says_which_users_and_how_many_members_the_model_knows(page_parts):
    similar, opposing = page_parts["rows"]
    similar["trained_share"], opposing["trained_share"] = 1.0, 0.5
    page_parts["record"]["users"]["n_users"] = 6
    page_parts["record"]["settings"] |= {"user_set": "test", "user_sample": 6, "history": "inputs"}
    (head,) = read(page_parts).all("header")
    lines = [line.text for line in head.all("dd")]
    asked = "(user_set=test, user_sample=6, history=inputs)"
    assert lines[0].endswith(f"groups are drawn from 6 users {asked}")
    # Four groups of three that it knows, and half of one.
    assert lines[3] == "ELSA was trained on 90.0% of them"


def test_thresholds_say_whose_pairs_they_are_of_if_not_of_those_drawn_from(page_parts):
    assert "28 pairs of users." in read(page_parts).text
    page_parts["record"]["thresholds"]["asked"]["users"] = "train"
    assert "28 pairs of users (thresholds.users=train)." in read(page_parts).text


def test_thresholds_say_how_they_were_found(page_parts):
    assert table_of(read(page_parts), "limits")[1:] == [
        ["similar", "≥ 0.980000", "+0.960", "0.9 quantile", "exact"],
        ["divergent", "≤ 0.950000", "+0.900", "this value", "given"],
    ]
    assert "Quantiles are those of all 28 pairs of users." in read(page_parts).text
    sampled = {"method": "sampled", "pairs": 10_000, "intervals": {"similar": [0.9799, 0.98012]}}
    page_parts["record"]["thresholds"] |= sampled
    assert table_of(read(page_parts), "limits")[1][4:] == ["sampled, 95% interval 0.979900 to 0.980120"]
    assert "Quantiles are those of a sample of 10,000 pairs of users." in read(page_parts).text


def test_examples_hold_every_pair_with_its_mark(page_parts):
    root = read(page_parts)
    shown = [example for examples in page_parts["examples"].values() for example in examples]
    groups = root.classed("group")
    assert len(groups) == len(shown) == 3
    for element, example in zip(groups, shown, strict=True):
        (matrix,) = element.classed("pairs")
        cells = [cell.text for cell in matrix.all("td") if cell.text]
        marks = {True: " ✓right", False: " ✗wrong", None: ""}
        assert cells == [f"{p.similarity:.3f}{marks[p.right]}" for row in example.pairs for p in row]
        (members,) = element.classed("members")
        lines = [row.text for row in members.all("tr") if "items" in row.text and "·" in row.text]
        assert len(lines) == 3
        for line, member in zip(lines, example.members, strict=True):
            assert line.startswith(f"{member.position} · {member.user_id} {member.n_items} items")
        assert f"Group {example.number}" in element.text


def test_subgroups_are_told_apart_where_there_are_several(page_parts):
    root = read(page_parts)
    titles = [
        [th.text for th in group.all("th") if th.attributes["scope"] == "rowgroup"]
        for group in root.classed("group")
    ]
    assert titles == [[], [], ["Subgroup 0", "Subgroup 1"]]
    rules = [e.text for e in root.classed("soft")]
    assert "3 members, similar to each other, mean linkage" in rules
    assert "2+1 members, similar within a subgroup, divergent across subgroups, all linkage" in rules


def test_what_is_shared_is_counted_and_the_rarest_named(page_parts):
    (example, *rest) = page_parts["examples"]["similar_3"]
    names = tuple(f"Item {n}" for n in range(ITEMS_SHOWN))

    def told(count: int) -> str:
        part = replace(example.shared[0], count=count, names=names[:count])
        page_parts["examples"]["similar_3"] = [replace(example, shared=(part,)), *rest]
        group = read(page_parts).classed("group")[0]
        return next(p.text for p in group.all("p") if p.text.startswith("In every history"))

    assert told(0) == "In every history: no item"
    assert told(1) == "In every history, 1 item: Item 0"
    assert told(1234) == f"In every history, 1,234 items, the rarest: {' · '.join(names)}"


def test_lineage_and_the_command_that_repeats_it_are_there(page_parts):
    root, record = read(page_parts), page_parts["record"]
    (command,) = root.all("pre")
    assert command.text == f"mlflow run . -e reproduce -P groups_run_id={record['run_id']}"
    told = {e.text for e in root.classed("id")}
    code = record["environment"]["code"]["commit"]
    assert {
        *record["parent"].values(),
        record["data"]["digest"],
        record["data"]["source"]["sha256"],
        code,
    } <= told
    assert "with changes that code.diff holds" in root.text

    record["environment"]["code"] = {}
    assert "commit" not in read(page_parts).text


def test_the_same_run_gives_the_same_bytes(page_parts):
    page = render_page(**page_parts)
    assert page == render_page(**page_parts)
    assert page.endswith("</html>\n")


def test_evidence_is_shown_with_its_intervals_where_there_are_any(page_parts):
    heading, *lines = table_of(read(page_parts), "evidence")
    assert heading == ["key, measure", "mean", "random", "as active", "Δ", "below"]
    assert [line[0] for line in lines if len(line) == 1] == list(page_parts["evidence"])
    shown = iter(line for line in lines if len(line) > 1)
    for comparisons in page_parts["evidence"].values():
        found = {of.measure: of for of in comparisons if of.baseline == "random"}
        for name, measure, digits in (
            ("similarity", "similarity", 3),
            ("overlap@20", "recommendation_overlap_at_20", 3),
            ("common items", "common_items", 2),
        ):
            of, line = found[measure], next(shown)
            mean = f"{of.mean:.{digits}f}"
            if of.interval is not None:
                mean += f" ({of.interval.low:.3f}–{of.interval.high:.3f})"
            random = f"{of.random_mean:.{digits}f}"
            delta = f"{of.cliffs_delta:+.2f}".replace("+0.00", "0.00").replace("-", "−")
            assert line == [name, mean, random, random, delta, f"{of.percentile:.0f}"]
    assert next(shown, None) is None


def test_the_page_says_why_there_is_no_interval(page_parts):
    rows = [dict(row) for row in page_parts["rows"]]
    rows[0]["no_interval"] = "half of the users cannot fill it"
    text = render_page(**page_parts | {"rows": rows})
    assert text.count(f"No interval of {rows[0]['key']}: half of the users cannot fill it.") == 1
    assert text.count("No interval of ") == 1
