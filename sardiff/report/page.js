"use strict";
// Light, dark, or as the system has it; remembered where the browser allows a file to.
{
  const button = document.getElementById("theme"), order = ["auto", "light", "dark"];
  const names = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" };
  const remembered = (change) => { try { return change(localStorage); } catch { return null; } };
  const set = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = names[theme];
    button.dataset.now = theme;
  };
  const before = remembered((store) => store.getItem("sardiff-theme"));
  set(order.includes(before) ? before : "auto");
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(button.dataset.now) + 1) % order.length];
    set(next);
    remembered((store) => store.setItem("sardiff-theme", next));
  });
}
