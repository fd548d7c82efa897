"""The page of a run, read as HTML: what it says, and that it needs and runs nothing."""

import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from elsa_groups.report.examples import ITEMS_SHOWN
from elsa_groups.report.page import RunPage
from elsa_groups.report.pictures import PICTURES_UP_TO, Picture

VOID = {"meta", "img", "br", "input"}
VOID_SVG = {"path", "rect", "use"}
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
    return Tree(RunPage(**parts).as_html()).root


def table_of(root: Element, name: str) -> list[list[str]]:
    (table,) = root.classed(name)
    return [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")]


def check_numbers(lines, rows, columns):
    """Every cell is a number of the summary, as exactly as written; undefined only where it is not there."""
    for line, row in zip(lines, rows, strict=True):
        assert line[0] == row["key"]
        for name, cell in zip(columns, line[1:], strict=True):
            value = row.get(name)
            if value is None:
                assert cell == UNDEFINED, name
                continue
            shown = cell.split()[0].replace(",", "").replace("−", "-")
            digits = len(shown.removesuffix("%").partition(".")[2])
            scale = 100 if shown.endswith("%") else 1
            assert float(shown.removesuffix("%")) == pytest.approx(value * scale, abs=0.5000001 * 10**-digits)
            assert digits or float(shown) == value


def test_every_number_of_the_tables_is_that_of_the_summary(page_parts):
    root, rows = read(page_parts), page_parts["rows"]
    first, second, *types = table_of(root, "types")
    assert first == ["group type", "groups", "break the rule", "similarity", "overlap@20"]
    assert second == [
        "within", "across", "all pairs", "random", "activity- matched", "Cliff’s delta", "mean",
        "activity- matched",
    ]  # fmt: skip
    # All pairs of a group that is one subgroup are within it.
    within = [{"within_mean": row["similarity_mean"]} | row for row in rows]
    check_numbers(types, within, [
        "groups", "wrong_pair_share", "within_mean", "across_mean", "similarity_mean", "similarity_random",
        "similarity_as_active", "similarity_cliffs_delta", "recommendation_overlap_at_20_mean",
        "recommendation_overlap_at_20_as_active",
    ])  # fmt: skip
    # It has none across.
    assert [line[4] == UNDEFINED for line in types] == [True, False]
    # The interval stands beside the mean that has one.
    assert types[0][5].split()[1:] == [
        f"{rows[0]['similarity_low']:.3f}–{rows[0]['similarity_high']:.3f}"
    ]  # fmt: skip

    _, *draws = table_of(root, "draws")
    sharing = 8
    assert all(line[sharing + 0] for line in draws)
    check_numbers([line[:8] + line[9:] for line in draws], rows, [
        "acceptance_rate", "restarts", "user_coverage", "participation_max", "participation_gini",
        "member_overlap_mean", "member_overlap_max", "duplicates",
    ])  # fmt: skip


def test_groups_that_are_asked_nothing_break_no_rule(page_parts):
    for rule in page_parts["record"]["settings"]["families"].values():
        rule |= {"within": "any", "across": "any"}
    _, _, *lines = table_of(read(page_parts), "types")
    assert [line[2] for line in lines] == ["no rule", "no rule"]


def test_names_are_text_whatever_they_say(page_parts):
    root = read(page_parts)

    assert {e.tag for e in root.all()} & {
        "script",
        "link",
        "iframe",
        "object",
        "form",
        "img",
        "base",
    } == set()
    assert all(a.attributes["href"].startswith("#") for a in root.all("a"))
    assert all(name[:2] != "on" for e in root.all() for name in e.attributes)
    told = {element.text for element in root.all("bdi")}
    assert "<script>alert(1)</script>" in told
    assert '"><img src=http://there.example/x onerror=alert(1)>' in told
    assert {"Sigur Rós & Björk", "Matrix, The (1999)", "two lines", "{{ 7 * 7 }}", "Demo & more"} <= told
    assert "ELSA <of> Demo" in root.text


def test_a_novel_is_cut_and_no_control_character_is_left(page_parts):
    page = RunPage(**page_parts).as_html()
    assert "long " * 15 in page
    assert "long " * 16 not in page
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", page) == []


def test_nothing_is_fetched_and_nothing_may_run(page_parts):
    page_parts["examples"] = {}
    page = RunPage(**page_parts).as_html()
    root = Tree(page).root

    assert re.findall(r"https?://|url\(|@import|javascript:", page) == []
    named = ("src", "href", "srcset", "xlink:href")
    places = [value for e in root.all() for name, value in e.attributes.items() if name in named]
    # Links of the page to itself, each to something that is there.
    there = {e.attributes["id"] for e in root.all() if "id" in e.attributes}
    assert all(place.startswith("#") and place[1:] in there for place in places)
    assert places
    (policy,) = [m for m in root.all("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_pictures_are_inside_with_what_they_show(page_parts):
    root = read(page_parts)
    figures = list(root.all("figure"))
    for figure, picture in zip(figures, page_parts["pictures"], strict=True):
        (drawing,) = figure.all("svg")
        (caption,) = figure.all("figcaption")
        assert drawing.attributes["aria-labelledby"] == caption.attributes["id"]
        assert picture.alt in caption.text
    # The lead is open, the others are folded.
    folded = [figure for details in root.all("details") for figure in details.all("figure")]
    assert [figure in folded for figure in figures] == [False, True]


def test_pictures_beyond_the_limit_stay_outside(page_parts):
    drawing = page_parts["pictures"][0].svg
    half = Picture(
        "half", "Half", "Half.", drawing.replace("M 0 0", "M 0 0" + " " * (PICTURES_UP_TO // 2 - 200))
    )
    more = Picture("more", "More", "More.", drawing.replace("M 0 0", "M 0 0" + " " * 1_000))
    assert len(list(read(page_parts | {"pictures": [half]}).all("svg"))) == 1
    root = read(page_parts | {"pictures": [half, half, more]})
    assert len(list(root.all("svg"))) == 2
    assert "1 more is among the files of the run." in root.text
    assert len(RunPage(**page_parts | {"pictures": [half] * 9}).as_html().encode()) < 3e6


def test_readers_of_any_kind_find_their_way(page_parts):
    root = read(page_parts)

    (html,) = root.all("html")
    assert html.attributes["lang"] == "en"
    assert (
        "width=device-width"
        in {m.attributes.get("name"): m for m in root.all("meta")}["viewport"].attributes["content"]
    )
    scopes = {th.attributes.get("scope") for th in root.all("th")}
    assert scopes == {"col", "row", "rowgroup", "colgroup"}
    levels = [int(e.tag[1]) for e in root.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for region in root.classed("scroll"):
        # Nobody has to stop at a table that does not scroll.
        assert ("tabindex" in region.attributes) <= ("aria-label" in region.attributes)


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
        f"5 groups of 2 types, from a mean similarity of {low['similarity_mean']:.3f} ({low['key']}) to"
        f" {high['similarity_mean']:.3f} ({high['key']}); of 5 with a rule, {n_wrong:.0f} hold"
        " a pair that breaks it",
        "similar 3 · opposing 2+1; similar from the 0.9 quantile, divergent up to 0.95; seed 42",
        f"{n_pairs} interactions of 8 users with 8 items; groups are drawn from all users",
    ]


def test_the_head_says_which_users_and_how_many_members_the_model_knows(page_parts):
    similar, opposing = page_parts["rows"]
    similar["trained_share"], opposing["trained_share"] = 1.0, 0.5
    page_parts["record"]["users"]["n_users"] = 6
    page_parts["record"]["settings"] |= {"user_set": "test", "user_sample": 6, "history": "inputs"}
    (head,) = read(page_parts).all("header")
    lines = [line.text for line in head.all("dd")]
    asked = "(user_set=test, user_sample=6, history=inputs)"
    assert lines[2].endswith(f"groups are drawn from 6 users {asked}")
    # Four groups of three that it knows, and half of one.
    assert lines[3] == "90.0% of the members are among the users that ELSA was trained on"


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
        marks = {True: " ✓meets its rule", False: " ✗breaks its rule", None: ""}
        assert cells == [f"{p.similarity:.4f}{marks[p.right]}" for row in example.pairs for p in row]
        (members,) = element.classed("members")
        lines = [row.text for row in members.all("tr") if " items" in row.text and row.text[0].isdigit()]
        assert len(lines) == 3
        for line, member in zip(lines, example.members, strict=True):
            assert line.startswith(f"{member.position} {member.user_id} {member.n_items} items")
        assert f", group {example.number}" in element.text


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
    page = RunPage(**page_parts).as_html()
    assert page == RunPage(**page_parts).as_html()
    assert page.endswith("</html>\n")


def test_evidence_is_shown_with_its_intervals_where_there_are_any(page_parts):
    heading, *lines = table_of(read(page_parts), "evidence")
    assert heading == [
        "group type, measure",
        "mean",
        "random",
        "activity- matched",
        "Cliff’s delta",
        "percentile",
    ]
    assert [line[0].split()[0] for line in lines if len(line) == 1] == list(page_parts["evidence"])
    shown = iter(line for line in lines if len(line) > 1)
    for comparisons in page_parts["evidence"].values():
        found = {of.measure: of for of in comparisons if of.baseline == "random"}
        names = {
            "similarity": ("similarity", 3),
            "within subgroups": ("within", 3),
            "across subgroups": ("across", 3),
        }
        names |= {"overlap@20": ("recommendation_overlap_at_20", 3), "common items": ("common_items", 2)}
        for name, (measure, digits) in names.items():
            if measure not in found:
                continue
            of, line = found[measure], next(shown)
            mean = f"{of.mean:.{digits}f}"
            if of.interval is not None:
                mean += f" {of.interval.low:.3f}–{of.interval.high:.3f}"
            random = f"{of.random_mean:.{digits}f}"
            delta = f"{of.cliffs_delta:+.2f}".replace("+0.00", "0.00").replace("-", "−")
            assert line == [name, mean, random, random, delta, f"{of.percentile:.0f}"]
    assert next(shown, None) is None


def test_what_is_missing_is_said_below_the_table(page_parts):
    (note,) = page_parts["notes"]
    assert note in [p.text for p in read(page_parts).all("p")]


def test_of_many_types_one_of_each_family_has_an_example_that_is_open(page_parts):
    rows, families = [], {}
    opposing = page_parts["record"]["settings"]["families"]["opposing"]
    examples = {}
    for family in ("camps", "opposing"):
        sizes = [[n, 1] for n in range(2, 10)]
        families[family] = opposing | {"compositions": sizes}
        for n, _ in sizes:
            key = f"{family}_{n}_1"
            rows.append(page_parts["rows"][1] | {"key": key})
            examples[key] = page_parts["examples"]["opposing_2_1"]
    page_parts["record"]["settings"]["families"] = families
    root = read(page_parts | {"rows": rows, "examples": examples, "evidence": {}})
    folded = [group for details in root.all("details") for group in details.classed("group")]
    opened = [group for group in root.classed("group") if group not in folded]
    assert len(root.classed("group")) == len(rows) * len(page_parts["examples"]["opposing_2_1"])
    assert len(opened) == 2


def test_the_methods_paragraph_is_there_to_be_copied(page_parts):
    (text,) = read(page_parts).classed("copied")
    assert text.text == page_parts["methods"].strip()
