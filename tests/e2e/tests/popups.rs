//! Pages that open pages: each popup belongs to the owner of the page that really opened it.

use anyhow::Result;
use e2e::World;

#[tokio::test]
async fn popups_opened_at_the_same_moment_go_to_their_own_owners() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let (first, second) = (
        world.site.url("/popups?name=a"),
        world.site.url("/popups?name=b"),
    );
    let (tab_one, tab_two) = tokio::try_join!(one.open(&first), two.open(&second))?;
    for words in [["button", "Open window"], ["link", "Open link"]] {
        let (a, b) = tokio::try_join!(one.click(tab_one, &words), two.click(tab_two, &words))?;
        assert!(a.is_ok() && b.is_ok(), "{a} {b}");
    }
    for (agent, own, foreign) in [(&one, "a", "b"), (&two, "b", "a")] {
        let listed = e2e::until("the popups in their owner's list", async || {
            let listed = agent.tabs().await?;
            let all = ["opened", "linked"]
                .iter()
                .all(|kind| listed.text.contains(&format!("{kind}-{own}")));
            Ok(all.then_some(listed))
        })
        .await?;
        for kind in ["opened", "linked"] {
            assert!(
                !listed.text.contains(&format!("{kind}-{foreign}")),
                "{listed}"
            );
        }
    }
    world.close().await
}

#[tokio::test]
async fn a_popup_of_a_hidden_tab_leaves_the_users_tab_in_front() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let page = world.browser().extension_page("popup.html").await?;
    let front = async || -> Result<Vec<i64>> {
        Ok(page
            .tabs()
            .await?
            .iter()
            .filter(|tab| tab.active)
            .map(|tab| tab.id)
            .collect())
    };
    let before = front().await?;
    let tab = one.open(&world.site.url("/popups?name=a")).await?;
    assert_eq!(front().await?, before, "a new tab was put in front");
    let clicked = one.click(tab, &["button", "Open window"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    e2e::until("the popup", async || {
        let tabs = page.tabs().await?;
        Ok(tabs
            .iter()
            .any(|tab| tab.url.contains("opened-a"))
            .then_some(()))
    })
    .await?;
    e2e::until("the user's tab in front again", async || {
        Ok((front().await? == before).then_some(()))
    })
    .await?;
    world.close().await
}
