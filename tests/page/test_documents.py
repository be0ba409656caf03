"""The documents panel: files dropped in and chosen, read, asked and deleted, by mouse and by keyboard alone."""

import re

from tests.page.browser import ANSWER_TIMEOUT_MS, Route, Visitor, expect

MILL = "# The mill\n\nThe mill at Alder Ford grinds rye. It was built in 1802 by Ines Marlow.\n"


def test_a_document_dropped_in_is_read_asked_and_deleted(visitor: Visitor) -> None:
    visitor.find("#open-documents").click()
    panel = visitor.find("#documents")
    panel.locator("#collection").select_option(label="New collection …")
    visitor.page.keyboard.type("mills")
    visitor.page.keyboard.press("Enter")
    expect(panel.locator("#collection")).to_have_value("mills")
    expect(panel.locator("#documents-note")).to_have_text("No documents yet.")
    transfer = visitor.page.evaluate_handle(
        """(text) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], "mill.md", { type: "text/markdown" }));
          transfer.items.add(new File([new Uint8Array(5000)], "noise.exe"));
          return transfer;
        }""",
        MILL,
    )
    visitor.page.dispatch_event("#dropzone", "drop", {"dataTransfer": transfer})
    expect(panel.locator("#uploads li", has_text="mill.md")).to_contain_text("1 passage")
    refused = panel.locator("#uploads li", has_text="noise.exe")
    expect(refused).to_have_class("failed")
    expect(refused).to_contain_text("not taken in: ")
    expect(panel.locator("#document-list li")).to_have_count(1)
    visitor.picture("documents")
    visitor.page.keyboard.press("Escape")

    visitor.ask("Who built the mill?")
    visitor.expect_answer("Ines Marlow")

    visitor.find("#open-documents").click()
    panel.get_by_role("button", name="Delete mill.md").click()
    visitor.picture("delete")
    visitor.find("#delete").get_by_role("button", name="Cancel").click()
    expect(panel.locator("#document-list li")).to_have_count(1)
    panel.get_by_role("button", name="Delete mill.md").click()
    visitor.find("#delete").get_by_role("button", name="Delete").click()
    expect(panel.locator("#documents-note")).to_have_text("mill.md was deleted.")
    expect(panel.locator("#document-list li")).to_have_count(0)


def held_statuses(visitor: Visitor) -> list[Route]:
    """Questions after what became of an upload, of which none is answered until the test lets it."""
    held: list[Route] = []
    visitor.page.route("**/v1/status*", lambda route: held.append(route))
    return held


def release(visitor: Visitor, held: list[Route]) -> None:
    visitor.page.unroute("**/v1/status*")
    for route in held:
        route.continue_()


def choose_by_keyboard(visitor: Visitor, name: str, text: str) -> None:
    """With the focus on the button for it, where it then still is."""
    with visitor.page.expect_file_chooser() as chosen:
        visitor.page.keyboard.press("Enter")
    chosen.value.set_files({"name": name, "mimeType": "text/markdown", "buffer": text.encode()})
    expect(visitor.find("#uploads li", has_text=name)).to_be_visible()
    expect(visitor.find("#choose")).to_be_focused()


def test_documents_are_added_and_deleted_by_keyboard_alone_and_focus_is_never_lost(visitor: Visitor) -> None:
    keyboard, panel = visitor.page.keyboard, visitor.find("#documents")
    # The browser hands choosers over some time after the first who wants one, which a key would not wait for.
    visitor.page.on("filechooser", lambda _: None)
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(visitor.find("#open-documents")).to_be_focused()
    keyboard.press("Enter")
    expect(panel.locator("[data-close]")).to_be_focused()
    keyboard.press("Tab")
    expect(panel.locator("#collection")).to_be_focused()
    keyboard.press("End")
    expect(panel.locator("#new-collection input")).to_be_focused()
    keyboard.type("weirs")
    keyboard.press("Enter")
    expect(panel.locator("#collection")).to_have_value("weirs")
    expect(panel.locator("#collection")).to_be_focused()

    keyboard.press("Tab")
    choose_by_keyboard(visitor, "first.md", MILL)
    expect(panel.locator("#uploads .done")).to_have_count(1)
    keyboard.press("Tab")
    expect(panel.get_by_role("button", name="Dismiss first.md")).to_be_focused()
    keyboard.press("Enter")
    expect(panel.locator("#uploads li")).to_have_count(0)
    expect(panel.locator("#choose")).to_be_focused()

    held = held_statuses(visitor)
    choose_by_keyboard(visitor, "second.md", MILL.replace("mill", "weir"))
    delete = panel.get_by_role("button", name="Delete first.md")
    keyboard.press("Tab")
    expect(delete).to_be_focused()
    release(visitor, held)
    expect(panel.locator("#document-list li")).to_have_count(2)
    expect(delete).to_be_focused()

    keyboard.press("Enter")
    expect(visitor.find("#delete").get_by_role("button", name="Cancel")).to_be_focused()
    keyboard.press("Escape")
    expect(visitor.find("#delete")).to_be_hidden()
    expect(delete).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Tab")
    expect(visitor.find("#delete").get_by_role("button", name="Delete")).to_be_focused()
    keyboard.press("Enter")
    expect(panel.locator("#documents-note")).to_have_text("first.md was deleted.")
    expect(panel.locator("#collection")).to_be_focused()
    keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(visitor.find("#open-documents")).to_be_focused()


def test_an_upload_that_ends_leaves_a_question_that_is_open_and_its_button(visitor: Visitor) -> None:
    panel = visitor.find("#documents")
    visitor.find("#open-documents").click()
    held = held_statuses(visitor)
    visitor.find("#files").set_input_files({"name": "lock.md", "mimeType": "text/markdown", "buffer": MILL.encode()})
    expect(panel.locator("#uploads .reading")).to_have_count(1)
    delete = panel.get_by_role("button", name="Delete staff-handbook.docx")
    delete.press("Enter")
    release(visitor, held)
    expect(panel.locator("#uploads .done")).to_have_count(1)
    expect(panel.get_by_role("button", name="Delete lock.md")).to_be_attached()
    visitor.page.keyboard.press("Escape")
    expect(delete).to_be_focused()
    panel.get_by_role("button", name="Delete lock.md").click()
    visitor.find("#delete").get_by_role("button", name="Delete").click()
    expect(panel.locator("#documents-note")).to_have_text("lock.md was deleted.")


def test_a_collection_that_is_being_named_stays_so_and_no_file_goes_to_another_meanwhile(visitor: Visitor) -> None:
    panel, name = visitor.find("#documents"), visitor.find("#new-collection input")
    mill = {"name": "gate.md", "mimeType": "text/markdown", "buffer": MILL.encode()}
    visitor.find("#open-documents").click()
    held = held_statuses(visitor)
    visitor.find("#files").set_input_files(mill)
    expect(panel.locator("#uploads .reading")).to_have_count(1)
    panel.locator("#collection").select_option(label="New collection …")
    visitor.page.keyboard.type("half a na")
    release(visitor, held)
    expect(panel.locator("#uploads .done")).to_have_count(1)
    expect(panel.get_by_role("button", name="Delete gate.md")).to_be_attached()
    visitor.page.keyboard.type("me")
    expect(name).to_be_focused()
    expect(name).to_have_value("half a name")

    visitor.find("#files").set_input_files({**mill, "name": "another.md"})
    expect(panel.locator("#documents-note")).to_contain_text("Name the new collection first")
    expect(panel.locator("#uploads li")).to_have_count(1)
    expect(name).to_be_focused()
    visitor.page.keyboard.press("Escape")
    visitor.find("#open-documents").click()
    expect(name).to_be_hidden()
    expect(panel.locator("#collection")).to_have_value("default")
    panel.get_by_role("button", name="Delete gate.md").click()
    visitor.find("#delete").get_by_role("button", name="Delete").click()
    expect(panel.locator("#documents-note")).to_have_text("gate.md was deleted.")


def test_progress_is_told_while_a_file_is_sent_and_read(visitor: Visitor) -> None:
    visitor.find("#open-documents").click()
    paragraphs = (
        f"Pump {number} was serviced on day {number}. It moves {number} litres a second." for number in range(4000)
    )
    text = "\n\n".join(paragraphs).encode()
    visitor.page.evaluate(
        """() => {
          window.told = new Set();
          const look = () => document.querySelectorAll("#uploads .quiet").forEach((one) => told.add(one.textContent));
          new MutationObserver(look).observe(document.querySelector("#uploads"), { childList: true, subtree: true });
        }"""
    )
    visitor.page.locator("#files").set_input_files({"name": "pumps.txt", "mimeType": "text/plain", "buffer": text})
    expect(visitor.find("#uploads .done")).to_have_count(1, timeout=60_000)
    told = visitor.page.evaluate("[...told]")
    assert "reading" in told
    assert any(line.startswith("sending, ") for line in told)
    visitor.find("#documents").get_by_role("button", name="Delete pumps.txt").click()
    visitor.find("#delete").get_by_role("button", name="Delete").click()
    expect(visitor.find("#documents-note")).to_have_text("pumps.txt was deleted.")


def upload(visitor: Visitor) -> None:
    visitor.find("#open-documents").click()
    ferry = {"name": "ferry.md", "mimeType": "text/markdown", "buffer": b"# The ferry\n\nIt leaves at nine.\n"}
    visitor.find("#files").set_input_files(ferry)


def test_a_status_that_cannot_be_asked_for_a_while_does_not_end_an_upload(visitor: Visitor) -> None:
    visitor.expected = ("Failed to load resource",)
    troubles = [0, 503, 429]

    def troubled(route: Route) -> None:
        match troubles.pop(0) if troubles else None:
            case None:
                route.continue_()
            case 0:
                route.abort()
            case status:
                route.fulfill(status=status, headers={"retry-after": "1"}, body="not now")

    visitor.page.route("**/v1/status*", troubled)
    upload(visitor)
    expect(visitor.find("#uploads li")).to_have_class(re.compile("done|failed"), timeout=ANSWER_TIMEOUT_MS)
    expect(visitor.find("#uploads li")).to_contain_text("1 passage")
    assert not troubles
    visitor.find("#documents").get_by_role("button", name="Delete ferry.md").click()
    visitor.find("#delete").get_by_role("button", name="Delete").click()
    expect(visitor.find("#documents-note")).to_have_text("ferry.md was deleted.")


def test_an_upload_of_which_nobody_tells_for_a_minute_is_told_to_be_lost(visitor: Visitor) -> None:
    visitor.expected = ("Failed to load resource",)
    visitor.page.route("**/v1/documents", lambda route: route.fulfill(json={"task_id": "forgotten"}))
    visitor.page.route("**/v1/status*", lambda route: route.abort())
    visitor.page.clock.install()
    with visitor.page.expect_event("requestfailed"):
        upload(visitor)
    expect(visitor.find("#uploads li")).to_have_class("reading")
    visitor.page.clock.fast_forward(61_000)
    expect(visitor.find("#uploads li")).to_contain_text("nobody can tell what became of it")
