"""An audit in a real browser: from the plan to the printed certificate, and nothing before it."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from common.store.tables import VerdictKind
from desk.audits.closing import close
from desk.audits.draw import draw
from desk.audits.judging import DrawnRow, drawn_rows
from desk.audits.subject import AuditSubject
from tests.desk.conftest import OURS, THEIRS
from tests.desk.museum import MAP, PAINTING, Museum
from tests.desk.served import served_desk
from tests.desk.visiting import Visit, visiting
from trainer.models.store import retire_model

pytestmark = pytest.mark.timeout(900)

SCRIPT = '<script>window.taken = 1</script><img src=x onerror="window.taken = 1">'
VERDICTS = "SELECT said FROM verdict WHERE withdrawn_at IS NULL ORDER BY judged_at, id"
NUMBERS_BY_CHANCE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ANN, BO, VI = "Ann Archer", "Bo Berg", "Vi Vance"


@pytest.fixture
def filled(museum: Museum) -> Museum:
    """Sixty maps of our museum and twenty paintings of theirs, and three accounts."""
    ours, theirs = (
        [f"/{place}/r{n:02}" for n in range(count)] for place, count in ((1, 60), (2, 20))
    )
    museum.records(OURS, *ours)
    museum.records(THEIRS, *theirs)
    model = museum.model()
    job = museum.job(model, ours, theirs)
    museum.enrich(job, model, dict.fromkeys(ours, (MAP, 0.7654)))
    museum.enrich(job, model, dict.fromkeys(theirs, (PAINTING, 0.7654)))
    for name, role in ((ANN, "reviewer"), (BO, "operator"), (VI, "viewer")):
        museum.user(name, role)
    museum.the_model = model  # type: ignore[attr-defined]
    return museum


def drawn(filled: Museum, sample: int = 10, user: str = ANN) -> int:
    subject = AuditSubject(model_id=filled.the_model, data_provider=OURS, concept_uri=MAP)  # type: ignore[attr-defined]
    return draw(filled.engine, subject, sample=sample, user_id=filled.users[user])


def rows(filled: Museum, audit: int) -> list[DrawnRow]:
    return drawn_rows(filled.engine, audit, user_id=filled.users[ANN])


def closed(filled: Museum, sample: int, right: int) -> int:
    audit = drawn(filled, sample)
    for place, row in enumerate(rows(filled, audit)):
        said = VerdictKind.RIGHT if place < right else VerdictKind.WRONG
        filled.say(ANN, row.record_id, row.concept_uri, said, audit_id=audit)
    close(filled.engine, audit)
    return audit


def state(filled: Museum, audit: int) -> tuple[object, ...]:
    return filled.rows("SELECT state, right_ones FROM audit WHERE id = :id", id=audit)[0]


def saved(visit: Visit) -> None:
    visit.page.locator(".unsaved[data-count='0']").first.wait_for(state="attached")


def ready(visit: Visit) -> None:
    """Wait until the page hears keys."""
    expect(visit.page.locator(".batch > .card").first).to_be_focused()
    visit.wait_for_pictures()


def plan_by_keys(visit: Visit) -> None:
    page = visit.page
    visit.tab_to(page.get_by_role("link", name="Prove"))
    visit.press("Enter")
    visit.tab_to(page.get_by_label("Data provider"))
    page.keyboard.type(OURS)
    visit.tab_to(page.get_by_label("Concept"))
    page.keyboard.type("map")
    visit.tab_to(page.get_by_role("button", name="Show the plan"))
    visit.press("Enter")
    page.wait_for_url("**/prove?*concept=*")


def draw_by_keys(visit: Visit) -> None:
    page = visit.page
    expect(page.get_by_text("60 enrichments")).to_be_visible()
    expect(page.get_by_text("It may use 2.5 of the 5")).to_be_visible()
    visit.tab_to(page.get_by_role("radio", name="40", exact=True))
    visit.tab_to(page.get_by_role("button", name="Draw"))
    visit.press("Enter")
    expect(page.get_by_text(f"This freezes 60 enrichments of {OURS} and draws 40")).to_be_visible()
    visit.tab_to(page.get_by_role("button", name="Draw 40 pictures"))
    visit.press("Enter")
    page.wait_for_url("**/audits/*")


def test_an_audit_is_planned_drawn_judged_and_printed_by_keyboard_alone(filled, desk, visit):
    visit.log_in(desk.url, ANN)
    plan_by_keys(visit)
    draw_by_keys(visit)
    for judged in range(0, 40, 10):
        expect(visit.page.get_by_text(f"{judged} of 40 are judged")).to_be_visible()
        ready(visit)
        visit.press(*["r"] * 9, "w" if judged < 20 else "r", "Enter")
    expect(visit.page.get_by_role("heading", name="You have judged all 40")).to_be_visible()
    expect(visit.page.get_by_role("link", name="Close the audit")).to_be_focused()
    visit.press("Enter")
    expect(visit.page.get_by_role("region", name="Close it", exact=True)).to_be_focused()
    visit.press("Tab", "Enter")
    sentence = (
        "Map enrichments of Our museum: 38 of 40 drawn at random were right (95 %). "
        "With 95 % confidence, at least 88.3 % of all 60 are right."
    )
    expect(visit.page.get_by_role("heading", name=sentence)).to_be_visible()
    visit.page.locator(".annex").evaluate("each => each.remove()")  # it begins a page of its own
    printed = visit.page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    visit.page.emulate_media(media="print")
    expect(visit.page.get_by_role("navigation")).to_have_count(0)
    assert visit.problems == []


def test_the_plan_says_what_could_be_proved_before_anything_is_drawn(filled, desk, browser):
    with visiting(browser) as visit:
        visit.log_in(desk.url, VI)
        visit.page.goto(f"{desk.url}/prove?provider={THEIRS}")
        row = visit.page.get_by_role("row").filter(has=visit.page.get_by_text("20", exact=True))
        # there are twenty: whoever sees all of them knows all of them
        assert row.first.inner_text().split() == ["20", "100.0", "%", "4", "2", "1"]
        expect(visit.page.get_by_text("cannot be loaded when you close")).to_be_visible()
        expect(visit.page.get_by_role("button", name="Draw")).to_have_count(0)
        visit.page.goto(f"{desk.url}/prove?provider=Nobody")
        expect(visit.page.get_by_text("has written no such enrichments")).to_be_visible()
    assert filled.rows("SELECT 1 FROM audit") == []


def test_a_double_click_draws_once(filled, desk, visit):
    visit.log_in(desk.url, ANN)
    visit.page.goto(f"{desk.url}/prove?provider={OURS}")
    visit.page.get_by_role("button", name="Draw").click()
    visit.page.get_by_role("button", name="Go back").click()
    expect(visit.page.get_by_text("The desk did not act.")).to_be_visible()
    assert filled.rows("SELECT 1 FROM audit") == []
    visit.page.get_by_role("button", name="Draw").click()
    visit.page.get_by_role("button", name="pictures").dblclick()
    expect(visit.page).to_have_url(re.compile("/audits/"))  # the first of two ways there may end
    assert len(filled.rows("SELECT 1 FROM audit")) == 1


def test_nothing_tells_how_an_open_audit_stands(filled, desk, visit):
    audit = drawn(filled)
    chosen = rows(filled, audit)
    for row in chosen[:8]:
        filled.say(ANN, row.record_id, MAP, VerdictKind.RIGHT, audit_id=audit)
    visit.log_in(desk.url, BO)

    def told() -> list[str]:
        paths = ["/prove", f"/prove?model=test@1&provider={OURS}", "/see", "/judge", "/actions"]
        paths += ["/models", "/models/test@1", "/data", f"/records{chosen[0].record_id}", "/teach"]
        paths += [f"/audits/{audit}{part}" for part in ("", "/end", "?again=1", "/certificate")]
        paths += [f"/audits/{audit}/certificate.json", f"/teach?provider={OURS}", "/jobs"]
        texts = [visit.context.request.get(desk.url + path).text() for path in paths]
        return [NUMBERS_BY_CHANCE.sub("", text) for text in texts]

    before = told()
    assert "8 judged, 2 left" in before[0]
    filled.execute("UPDATE verdict SET said = 'wrong' WHERE audit_id = :id", id=audit)
    assert told() == before


def test_a_reviewer_sees_neither_the_confidence_nor_what_others_said(filled, desk, visit):
    audit = drawn(filled)
    for row in rows(filled, audit):
        filled.say(ANN, row.record_id, MAP, VerdictKind.RIGHT, audit_id=audit)
    visit.log_in(desk.url, BO)
    visit.page.goto(f"{desk.url}/judge")
    assert "76.5&nbsp;%" in visit.page.content()
    visit.page.goto(f"{desk.url}/audits/{audit}")
    expect(visit.page.locator(".batch > .card")).to_have_count(10)
    expect(visit.page.locator("[data-said]")).to_have_count(0)
    for sign in ("76.5", "0.765", "0.7654", "<meter", ANN, 'value="right" checked'):
        assert sign not in visit.page.locator("main").inner_html()


def test_what_two_reviewers_differ_on_counts_as_wrong(filled, desk, browser):
    audit = drawn(filled)
    for name, keys in ((ANN, "rrrrrrrrrr"), (BO, "rrrrrrrrwc")):
        with visiting(browser) as visit:
            visit.log_in(desk.url, name)
            visit.page.goto(f"{desk.url}/audits/{audit}")
            visit.press(*keys)
            saved(visit)
            assert visit.problems == []
    close(filled.engine, audit)
    with visiting(browser) as visit:
        visit.log_in(desk.url, VI)
        visit.page.goto(f"{desk.url}/audits/{audit}/certificate")
        text = visit.page.locator("main").inner_text()
        told = visit.context.request.get(f"{desk.url}/audits/{audit}/certificate.json").json()
    # at 28 of 60, 8 of 10 or more are drawn right in 2.3 % of cases, at 29 of 60 in 3.0 %
    assert "at least 48.3\N{NO-BREAK SPACE}% of all 60 are right" in text
    assert text.count("counts as right") == 8
    assert text.count("cannot tell Bo Berg") == 1
    both = sorted(filled.users[name] for name in (ANN, BO))
    assert f"{ANN}, {BO}, on pages that hide" in " ".join(text.split())
    assert (told["right"], told["at_least"], told["judged_by"]) == (8, 0.483, both)


def test_undo_and_a_second_look_change_what_was_said(filled, desk, visit):
    audit = drawn(filled, sample=12)
    visit.log_in(desk.url, ANN)
    visit.page.goto(f"{desk.url}/audits/{audit}")
    visit.press("w", "u", "r", *["r"] * 9, "Enter")
    expect(visit.page.get_by_text("10 of 12 are judged")).to_be_visible()
    visit.page.get_by_role("link", name="Check your verdicts").click()
    expect(visit.page.locator("[data-said=right]")).to_have_count(10)
    ready(visit)
    visit.press("ArrowRight", "t")
    visit.page.keyboard.type("paint")
    visit.press("Enter")
    saved(visit)
    standing = filled.rows(VERDICTS)
    assert sorted(standing) == [*[("right",)] * 9, ("wrong",)]
    models = filled.rows("SELECT DISTINCT model_id, audit_id FROM verdict")
    assert models == [(filled.the_model, audit)]


def test_the_bar_of_an_audit_moves_with_each_verdict(filled, desk, visit):
    audit = drawn(filled)
    visit.log_in(desk.url, ANN)
    visit.page.goto(f"{desk.url}/audits/{audit}")
    ready(visit)
    for keys, judged in (("rw", 2), ("u", 1)):
        visit.press(*keys)
        told = f"{judged} of 10 are judged, {judged} of them by you."
        expect(visit.page.get_by_text(told)).to_be_visible()
        assert visit.page.locator("progress").get_attribute("value") == str(judged)
    assert visit.problems == []


def test_closing_asks_once_more_while_pictures_are_not_judged(filled, desk, visit):
    audit = drawn(filled)
    visit.log_in(desk.url, ANN)
    visit.page.goto(f"{desk.url}/audits/{audit}")
    visit.press("r", "r", "r")
    saved(visit)
    assert "Close audit" in visit.send(f"/audits/{audit}/close", unjudged="0").text
    assert state(filled, audit) == ("open", None)
    assert filled.rows("SELECT what FROM desk_action ORDER BY id DESC LIMIT 1")[0] == ("not done",)
    visit.page.get_by_role("link", name="Close or abandon").click()
    expect(visit.page.get_by_text("7 of 10 pictures are not judged")).to_be_visible()
    visit.page.get_by_role("button", name="Close it and count 7 as wrong").dblclick()
    expect(visit.page.get_by_text("3 of 10 drawn at random were right (30")).to_be_visible()
    before = filled.rows("SELECT * FROM audit")
    assert visit.send(f"/audits/{audit}/close", unjudged="7").status == 200
    assert visit.send(f"/audits/{audit}/abandon").status == 400
    assert filled.rows("SELECT * FROM audit") == before


def test_a_verdict_after_the_end_is_refused_and_one_that_was_kept_is_acknowledged(
    filled, desk, visit
):
    audit = drawn(filled)
    first, second = rows(filled, audit)[:2]
    ours = {"audit_id": audit, "model_id": filled.the_model}
    kept = filled.say(ANN, first.record_id, MAP, VerdictKind.RIGHT, **ours)
    visit.log_in(desk.url, ANN)
    visit.page.goto(f"{desk.url}/audits/{audit}")
    close(filled.engine, audit)
    visit.press("r")
    refused = f"Not saved: Audit {audit} is closed"
    expect(visit.page.locator(".unsaved")).to_contain_text(refused)
    to = f"/audits/{audit}/verdicts"
    fields = {"concept": MAP, "said": "right", "instead": "", "model": ""}
    again = visit.send(to, id=str(kept), record=first.record_id, **fields)
    stand = {"judged": 1, "mine": 1}
    assert json.loads(again.text) == {"kept": [str(kept)], "new": 0, "stand": stand}
    assert visit.send(to, id=str(uuid4()), record=second.record_id, **fields).status == 400
    assert visit.send(f"{to}/withdraw", id=str(kept)).status == 400
    assert json.loads(visit.send("/verdicts/withdraw", id=str(kept)).text)["withdrawn"] == 0
    assert filled.rows(VERDICTS) == [("right",)]


def test_only_what_was_drawn_is_judged_and_in_its_own_audit(filled, desk, visit):
    audit, other = drawn(filled), drawn(filled)
    chosen = {row.record_id for row in rows(filled, audit)}
    ((stranger,),) = filled.rows(
        "SELECT id FROM record WHERE data_provider = :ours AND id <> ALL(:chosen) LIMIT 1",
        ours=OURS,
        chosen=list(chosen),
    )
    visit.log_in(desk.url, ANN)
    visit.page.goto(f"{desk.url}/audits/{audit}")
    fields = {"id": str(uuid4()), "concept": MAP, "said": "right", "instead": "", "model": ""}
    to = f"/audits/{audit}/verdicts"
    assert "is not in the sample" in visit.send(to, record=str(stranger), **fields).text
    kept = filled.say(ANN, min(chosen), MAP, VerdictKind.RIGHT, audit_id=audit)
    withdrawn = visit.send(f"/audits/{other}/verdicts/withdraw", id=str(kept))
    assert json.loads(withdrawn.text)["withdrawn"] == 0
    assert filled.rows(VERDICTS) == [("right",)]


def test_an_abandoned_audit_counts(filled, desk, visit):
    audit = drawn(filled)
    visit.log_in(desk.url, ANN)
    visit.page.goto(f"{desk.url}/audits/{audit}/end")
    visit.page.get_by_role("button", name="Abandon it").click()
    expect(visit.page.get_by_role("status").first).to_contain_text("is abandoned")
    expect(visit.page.get_by_text("1 audit was drawn before")).to_be_visible()
    expect(visit.page.get_by_text("may use 1.25 of the 5")).to_be_visible()
    expect(visit.page.get_by_text("The audit was abandoned and proves nothing")).to_be_visible()
    answer = visit.page.goto(f"{desk.url}/audits/{audit}/certificate")
    assert answer.status == 400
    visit.page.goto(f"{desk.url}/audits/{audit}")
    expect(visit.page.get_by_role("heading")).to_have_text(f"Audit {audit} was abandoned")


def test_a_certificate_of_a_retired_model_says_in_large_letters_that_it_is_withdrawn(
    filled, desk, visit
):
    audit = closed(filled, 60, 57)
    retire_model(filled.engine, filled.the_model)
    visit.log_in(desk.url, VI)
    visit.page.goto(f"{desk.url}/audits/{audit}/certificate")
    large = visit.page.locator(".withdrawn strong")
    assert large.inner_text().upper() == "WITHDRAWN"
    expect(visit.page.get_by_text("the model was retired")).to_be_visible()
    told = visit.context.request.get(f"{desk.url}/audits/{audit}/certificate.json").json()
    assert told["withdrawn"]["because"] == "the model was retired"
    visit.page.goto(f"{desk.url}/prove?model=test@1")
    expect(visit.page.get_by_text("you cannot audit it")).to_be_visible()
    expect(visit.page.get_by_text("The certificate is no longer valid")).to_be_visible()


def test_a_viewer_sees_plans_and_certificates_and_does_nothing(filled, desk, visit):
    done, still_open = closed(filled, 5, 5), drawn(filled)
    visit.log_in(desk.url, VI)
    visit.page.goto(f"{desk.url}/prove")
    assert visit.page.get_by_role("link", name="Judge", exact=True).count() == 1  # of the head
    assert visit.page.goto(f"{desk.url}/audits/{done}/certificate").status == 200
    assert visit.page.goto(f"{desk.url}/audits/{still_open}").status == 403
    for path in ("verdicts", "verdicts/withdraw", "close", "abandon"):
        assert visit.send(f"/audits/{still_open}/{path}", unjudged="10").status == 403
    assert visit.send("/prove", model="test@1", sample="5", attempt="3").status == 403
    assert len(filled.rows("SELECT 1 FROM audit")) == 2


def test_without_a_script_there_are_forms(filled, desk, visit):
    audit = drawn(filled)
    visit.log_in(desk.url, ANN)
    cookies = visit.context.cookies()
    context = visit.context.browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"{desk.url}/audits/{audit}")
    page.locator(".say button", has_text="Wrong").first.click()
    expect(page.get_by_text("1 of 10 are judged")).to_be_visible()
    assert filled.rows(VERDICTS) == [("wrong",)]
    context.close()


def test_a_wrong_address_has_a_plain_answer(filled, desk, visit):
    visit.log_in(desk.url, ANN)
    for path, status in (
        ("/audits/x", 404),
        ("/audits/99", 404),
        ("/audits/99999999999999", 404),
        ("/audits/99/certificate.json", 404),
        ("/prove?model=none", 404),
        ("/prove?before=x", 400),
        ("/prove?concept=a%01b", 200),
    ):
        assert visit.page.goto(desk.url + path).status == status
        assert visit.page.locator("main p").first.inner_text()


def test_a_wrong_form_draws_nothing(filled, desk, visit):
    visit.log_in(desk.url, ANN)
    for sample, attempt in (("", "1"), ("-1", "1"), ("61", "1"), ("10", ""), ("10", "2")):
        form = {"model": "test@1", "provider": OURS, "concept": MAP}
        answer = visit.send("/prove", sample=sample, attempt=attempt, **form)
        assert answer.status == 400
        assert "error" in json.loads(answer.text)
    visit.page.goto(f"{desk.url}/prove?provider={OURS}&concept={MAP}")
    visit.page.locator("[name=sample]").evaluate_all("all => all.forEach(one => one.value = 'x')")
    visit.page.get_by_role("button", name="Draw").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("'x', which is not a number")
    expect(visit.page.get_by_label("Data provider")).to_have_value(OURS)
    assert filled.rows("SELECT 1 FROM audit") == []


def test_hostile_names_run_nothing(filled, desk, visit):
    done, still_open = closed(filled, 5, 5), drawn(filled)
    filled.execute("UPDATE record SET title = :script", script=SCRIPT)
    filled.execute("UPDATE concept SET label = :script WHERE uri = :uri", script=SCRIPT, uri=MAP)
    filled.execute("UPDATE audit SET data_provider = :script", script=SCRIPT)
    visit.log_in(desk.url, ANN)
    parts = (f"{done}/certificate", str(still_open), f"{still_open}/end")
    for path in ("/prove", *(f"/audits/{part}" for part in parts)):
        visit.page.goto(desk.url + path)
        assert visit.page.evaluate("window.taken") is None
        assert visit.page.locator("main script, main img[src=x]").count() == 0
    assert visit.problems == []


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_the_pages_fit_and_are_usable_by_all(filled, desk, browser, width, dark):
    done, still_open = closed(filled, 60, 57), drawn(filled)
    filled.execute("UPDATE audit SET data_provider = :name", name="Национален музей" * 9)
    filled.execute("UPDATE concept SET label = :name", name="Κεραμικόαγγείο" * 12)
    with visiting(browser, width=width, dark=dark) as visit:
        visit.log_in(desk.url, BO)
        parts = (f"{done}/certificate", str(still_open), f"{still_open}/end")
        for path in (f"/prove?provider={OURS}", *(f"/audits/{part}" for part in parts)):
            visit.page.goto(desk.url + path)
            visit.check_usable()


def test_an_empty_store_says_what_to_do(museum: Museum, tmp_path: Path):
    with served_desk(tmp_path) as desk:
        page = desk.get("/prove")
    assert "No model is in the store yet" in page
    assert "There is no audit yet" in page


def test_what_was_changed_after_the_plan_is_not_drawn(filled, desk, visit):
    visit.log_in(desk.url, ANN)
    visit.page.goto(desk.url + "/prove")
    draw = visit.page.get_by_role("button", name="Draw")
    expect(draw).to_be_enabled()
    visit.page.get_by_label("Data provider").fill(OURS)
    expect(draw).to_be_disabled()
    expect(visit.page.get_by_text("You changed what to prove.")).to_be_visible()
    visit.page.get_by_role("button", name="Show the plan").click()
    expect(visit.page.get_by_text(f"enrichments of {OURS} and draws from them")).to_be_visible()
    expect(draw).to_be_enabled()
    assert filled.rows("SELECT 1 FROM audit") == []


def test_a_certificate_of_all_enrichments_needs_no_confidence(filled, desk, visit):
    visit.log_in(desk.url, VI)
    visit.page.goto(f"{desk.url}/audits/{closed(filled, 60, 57)}/certificate")
    shown = visit.page.locator("article").inner_text()
    assert "57 of all 60 were judged right" in shown.replace("\xa0", " ")
    assert "confidence" not in shown.replace("hide the model's confidence", "")


def test_a_certificate_names_the_institution_and_its_own_address(filled, visit, tmp_path):
    audit = closed(filled, 5, 5)
    with served_desk(tmp_path, DESK_INSTITUTION="Museum of <Things>") as desk:
        visit.log_in(desk.url, VI)
        visit.page.goto(f"{desk.url}/audits/{audit}/certificate?told=x")
        expect(visit.page.get_by_text("Museum of <Things>")).to_be_visible()
        expect(visit.page.get_by_text(f"{desk.url}/audits/{audit}/certificate")).to_be_visible()
        expect(visit.page.get_by_text("a picture that cannot be loaded")).to_be_visible()
        expect(visit.page.locator(".annex .card")).to_have_count(5)
        visit.page.goto(f"{desk.url}/models")
        visit.page.get_by_role("link", name=f"certificate {audit}").click()
        visit.page.wait_for_url(f"**/audits/{audit}/certificate")
        visit.page.goto(f"{desk.url}/models/test@1")
        expect(visit.page.get_by_text("5 of 5 drawn at random were right (100")).to_be_visible()
        expect(visit.page.get_by_text("This model has no promise")).to_have_count(0)
