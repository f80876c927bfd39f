// Is there, as Interlock's worker has to be, and does nothing: an alarm every second brings a dead worker
// back, and a call of Chrome's every 20 s keeps the living one.
chrome.alarms.onAlarm.addListener(() => {});
chrome.alarms.create('empty', { periodInMinutes: 1 / 60 });
setInterval(() => chrome.runtime.getPlatformInfo(), 20_000);
