//! The façade at the DevTools console.

use anyhow::Result;
use e2e::{Target, World};
use serde_json::json;

async fn worker(world: &World) -> Result<Target> {
    let browser = world.browser();
    let id = e2e::until("a running worker", async || browser.worker().await).await?;
    browser.cdp().attach(&id).await
}

#[tokio::test]
async fn the_facade_shows_who_holds_what_and_has_the_persons_rights() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let tab = one.open(&world.site.url("/counter?name=a")).await?;
    two.open(&world.site.url("/counter?name=b")).await?;
    let worker = worker(&world).await?;
    let ask = async |expression: &str| {
        let expression = format!(
            "(async () => {{ const m = self.MultiInstanceManager; return {expression} }})()"
        );
        worker.evaluate(&expression).await
    };
    assert_eq!(ask("m.instances.size").await?, json!(2));
    assert_eq!(ask("m.socketToInstance.size").await?, json!(2));
    let named = "label => [...m.instances].find(([, one]) => one.label === label)[0]";
    let holder = ask(&format!("m.tabLocks.get({tab}) === ({named})('one')")).await?;
    assert_eq!(holder, json!(true));
    // A copy: whoever changes it changes nothing.
    let cleared = ask("(m.tabLocks.clear(), m.tabLocks.size)").await?;
    assert_eq!(cleared, json!(2));
    ask(&format!("await m.acquireTabLock({tab}, ({named})('two'))")).await?;
    let tried = two
        .call("browser_snapshot", json!({"tabId": tab, "wait": 5}))
        .await?;
    assert!(tried.is_ok(), "{tried}");
    ask(&format!("await m.releaseTabLock({tab}, ({named})('two'))")).await?;
    assert_eq!(ask(&format!("m.tabLocks.has({tab})")).await?, json!(false));
    let not_his =
        format!("m.releaseTabLock({tab}, ({named})('two')).catch(error => error.message)");
    let not_his = ask(&not_his).await?;
    assert!(not_his.to_string().contains(&tab.to_string()), "{not_his}");
    // Nothing is believed of what a person says about ports: it is looked for, and all is well.
    let port = *world.ports.all().end();
    let ports = format!(
        "await Promise.all([m.scanPorts(), m.startPortScanning(), m.tryConnect({port}),\
         m.trackPortFailure({port}), m.updateKnownPorts([{port}, 'x', -1, null])]).then(() => 'done')"
    );
    assert_eq!(ask(&ports).await?, json!("done"));
    assert_eq!(ask("m.instances.size").await?, json!(2));
    let refused = "m.handleNewConnection().then(() => 'let in', error => String(error))";
    let refused = ask(refused).await?;
    assert!(refused.to_string().contains("refused"), "{refused}");
    world.close().await
}
