// Menus, dialogs and filters of the console; without it the pages show but do not act.
"use strict";
const drifted = (name) => document.body.dataset.drifts.split(" ").includes(name);

function openDialog(opener) {
  const dialog = document.getElementById(opener.dataset.opens);
  if (opener.dataset.action) {
    dialog.querySelector("form").action = opener.dataset.action;
    dialog.querySelector("[data-name-here]").textContent = opener.dataset.name;
  }
  dialog.showModal();
}

function placeMenu(button, menu) {
  const at = button.getBoundingClientRect();
  const below = at.bottom + menu.offsetHeight + 8 < innerHeight;
  menu.style.top = `${below ? at.bottom + 4 : at.top - menu.offsetHeight - 4}px`;
  menu.style.left = `${Math.max(8, at.right - menu.offsetWidth)}px`;
}

function openMenu(button) {
  const menu = document.getElementById(button.dataset.menu);
  if (menu.matches(":popover-open")) return menu.hidePopover();
  if (drifted("detached-menu")) document.body.append(menu);
  menu.addEventListener("toggle", (event) => button.setAttribute("aria-expanded", String(event.newState === "open")));
  menu.showPopover();
  placeMenu(button, menu);
  menu.querySelector("[role=menuitem]").focus({ preventScroll: true });
}

function moveInMenu(event) {
  const menu = event.target.closest("[role=menu]");
  if (!menu || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  const items = [...menu.querySelectorAll("[role=menuitem]")];
  const step = event.key === "ArrowDown" ? 1 : items.length - 1;
  items[(items.indexOf(document.activeElement) + step) % items.length].focus();
  event.preventDefault();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-opens], [data-closes], [data-menu], [data-sends]");
  if (!target) return;
  if (target.dataset.menu) return openMenu(target);
  if (target.dataset.opens) {
    target.closest("[popover]")?.hidePopover();
    return openDialog(target);
  }
  if (target.dataset.sends) return document.querySelector(`#${target.dataset.sends} form`).submit();
  target.closest("dialog").close();
});
document.addEventListener("keydown", moveInMenu);
document.addEventListener("scroll", () => {
  const menu = document.querySelector("[popover]:popover-open");
  if (menu) placeMenu(document.querySelector(`[data-menu="${menu.id}"]`), menu);
}, true);
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});
document.addEventListener("submit", (event) => {
  if (event.target.dataset.asksAgain) {
    event.preventDefault();
    document.getElementById(event.target.dataset.asksAgain).showModal();
  }
});

// Listeners above hang on the document, so that a row can be used as soon as it is seen; the rest needs the whole page.
document.addEventListener("DOMContentLoaded", () => {
  for (const dialog of document.querySelectorAll("dialog[data-open]")) {
    setTimeout(() => dialog.showModal(), dialog.dataset.open === "later" ? 300 : 0);
  }
  const toast = document.querySelector(".toast");
  if (toast) setTimeout(() => toast.remove(), 6000);

  const rows = document.querySelector("#users tbody");
  if (rows && drifted("slow-table")) {
    const late = document.getElementById("late-rows").content;
    setTimeout(() => rows.replaceChildren(...late.querySelectorAll("tr")), 1500);
  }
  if (rows && drifted("resort-between")) {
    setTimeout(() => rows.replaceChildren(...[...rows.children].reverse()), 700);
  }
});
