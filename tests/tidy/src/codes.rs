//! Where each error code is met: by a real client, in the real browser. An error that nobody has seen
//! is a guess about what an agent will read.

use crate::repository::{expect_none, read};
use protocol::ErrorCode;

/// Where a code is met.
enum Met {
    /// By `must_fail("CODE", …)` in this test of this file of tests/e2e/tests.
    In(&'static str, &'static str),
    /// Nowhere, and why that cannot be.
    Nowhere(&'static str),
}

fn met(code: ErrorCode) -> Met {
    use Met::{In, Nowhere};
    match code {
        ErrorCode::BadArguments => In("codes", "a_wrong_argument_is_named_with_what_is_allowed"),
        ErrorCode::SessionRequired => {
            Nowhere("a server on stdio has its one session; HTTP will not")
        }
        ErrorCode::SessionUnknown => Nowhere("a server names no session that it has not opened"),
        ErrorCode::SessionEnded => Nowhere("a client on stdio ends its session by leaving"),
        ErrorCode::NotConnected => In(
            "codes",
            "a_call_that_finds_no_browser_is_told_what_was_seen",
        ),
        ErrorCode::NotPaired => In(
            "pairing",
            "a_rotated_secret_shuts_the_extension_out_until_its_folder_is_paired_again",
        ),
        ErrorCode::BrowserGone => In(
            "browsers",
            "another_browser_stands_by_until_the_agent_moves_to_it",
        ),
        ErrorCode::TabOwned => In(
            "claims",
            "without_waiting_a_call_on_anothers_tab_fails_at_once",
        ),
        ErrorCode::ClaimTimeout => In(
            "claims",
            "a_claim_that_waited_in_vain_times_out_and_is_never_granted",
        ),
        ErrorCode::Deadlock => In(
            "claims",
            "a_claim_that_closes_a_cycle_fails_and_the_older_one_waits_on",
        ),
        ErrorCode::TabOfPerson => In("claims", "the_users_own_tab_is_refused_at_once"),
        ErrorCode::TabReturned => In(
            "codes",
            "a_claim_on_a_lent_tab_fails_when_the_tab_goes_back_to_the_person",
        ),
        ErrorCode::TabTaken => In(
            "popup",
            "a_tab_taken_back_in_the_popup_is_the_agents_no_more",
        ),
        ErrorCode::TabReleased => In(
            "codes",
            "calls_that_are_queued_on_a_tab_fail_when_it_is_released",
        ),
        ErrorCode::TabGone => In(
            "person",
            "a_tab_closed_by_the_person_ends_its_call_and_is_told_until_another_is_made",
        ),
        ErrorCode::TabsLost => In(
            "deaths",
            "a_restarted_browser_tells_each_agent_which_tabs_it_lost",
        ),
        ErrorCode::StoppedByUser => In(
            "popup",
            "a_pause_in_the_popup_stops_every_agent_until_it_is_resumed",
        ),
        ErrorCode::UrlRefused => In("urls", "an_agent_that_names_such_an_address_is_refused"),
        ErrorCode::PolicyRefused => In(
            "v1",
            "an_unpaired_server_stays_in_its_own_tabs_and_is_shown_as_what_it_is",
        ),
        ErrorCode::NavigationFailed | ErrorCode::NotActionable | ErrorCode::PageError => {
            In("tools", "what_a_page_refuses_is_told_with_its_code")
        }
        ErrorCode::NoEarlierPage => In(
            "tools",
            "the_history_is_walked_back_and_forward_and_a_page_is_loaded_again",
        ),
        ErrorCode::StaleRef => In(
            "tools",
            "a_ref_of_an_earlier_page_is_stale_and_clicks_nothing",
        ),
        ErrorCode::DialogOpen => In(
            "dialogs",
            "a_dialog_opened_by_a_click_is_told_and_handled_with_calls_queued",
        ),
        ErrorCode::PageCrashed => In(
            "codes",
            "a_crashed_page_is_told_and_works_again_when_it_is_loaded_again",
        ),
        ErrorCode::PageBlockedByExtension => In(
            "beside",
            "a_page_that_another_extension_frames_is_blocked_until_the_frame_is_gone",
        ),
        ErrorCode::Timeout => In(
            "turns",
            "a_script_that_never_ends_is_stopped_and_the_tab_lives_on",
        ),
        ErrorCode::Cancelled => Nowhere("MCP answers no call that was cancelled"),
        ErrorCode::OutcomeUnknown => In(
            "deaths",
            "an_acting_call_that_its_worker_died_under_has_an_unknown_outcome_and_runs_once",
        ),
        ErrorCode::ResultTooLarge => In(
            "codes",
            "a_result_that_no_frame_can_carry_is_told_with_its_size",
        ),
        ErrorCode::LimitReached => In(
            "codes",
            "the_sixty_fifth_call_at_once_is_told_the_limit_and_hurts_no_other",
        ),
        ErrorCode::Internal => In(
            "codes",
            "a_fault_of_ours_is_told_as_one_and_stands_in_the_log",
        ),
    }
}

/// What is wrong with where a code is met.
fn wrong(code: ErrorCode) -> Option<String> {
    let (file, test) = match met(code) {
        Met::In(file, test) => (file, test),
        Met::Nowhere(why) => return why.is_empty().then(|| format!("{code}: why?")),
    };
    let path = format!("tests/e2e/tests/{file}.rs");
    let text = read(&path);
    let head = format!("#[tokio::test]\nasync fn {test}()");
    let Some((_, body)) = text.split_once(&head) else {
        return Some(format!("{code}: {path} has no test {test}"));
    };
    let body = body.split("\n}\n").next().unwrap_or_default();
    // However it is laid out.
    let body: String = body.split_whitespace().collect();
    let assertion = format!(".must_fail(\"{code}\",");
    (!body.contains(&assertion)).then(|| format!("{code}: {test} does not say {assertion}"))
}

#[test]
fn every_error_code_is_met_in_the_real_browser() {
    expect_none(
        "An error that no test has met in the real browser: write that test, and name it in tests/tidy/src/codes.rs.",
        ErrorCode::ALL.iter().filter_map(|code| wrong(*code)),
    );
}
