// The planner's page: asks /v1/plan for what the form says, and draws throughput against latency as the batch grows.

import { byId, element } from "./elements.js";
import { call, key } from "./rest.js";
import { drawn } from "./plan_chart.js";

const WAIT_MS = 250;
const form = byId("asked");
let asked = 0;
let timer = 0;

const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

function query() {
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  return `v1/plan?${new URLSearchParams(fields)}`;
}

async function ask() {
  if (!form.checkValidity()) return;
  const mine = ++asked;
  history.replaceState(null, "", `#${new URLSearchParams(new FormData(form))}`);
  try {
    const plan = await call("GET", query());
    if (mine === asked) show(plan);
  } catch (error) {
    if (mine === asked) trouble(error);
  }
}

function trouble(error) {
  byId("key-field").hidden = error.status !== 401 && !key.get();
  byId("trouble").textContent = error.status === 0 ? "Nobody answers." : error.message;
  byId("trouble").hidden = false;
  byId("found").hidden = true;
}

function show(plan) {
  byId("trouble").hidden = true;
  byId("found").hidden = false;
  const most = plan.largest_users_within_objective;
  byId("verdict").textContent = most
    ? `Up to ${number(most)} users get what you ask for; then binds ${plan.binding}.`
    : `Not even one user gets what you ask for: ${plan.binding}.`;
  const objective = Number(form.elements.user_tokens_per_s.value);
  byId("chart").replaceChildren(byId("chart").querySelector("title"), ...drawn(plan, objective));
  byId("rows").replaceChildren(...rows(plan));
  const unknown = " No point is published for this machine: its efficiency is its nearest relative's.";
  const known = plan.efficiency_is_measured ? "" : unknown;
  byId("memory").textContent =
    `Weights ${number(plan.weights_bytes / 1e9)} GB; ` +
    `attention cache for ${plan.cache_tokens.toLocaleString("en")} tokens: ` +
    `${plan.fitting_answers} answers side by side. Efficiency ${plan.efficiency} of the data sheet.${known}`;
  byId("values").textContent = plan.chart_values;
}

function rows(plan) {
  const others = plan.curve.filter((one) => one.users !== plan.asked.users);
  return [...others, plan.asked].sort((one, other) => one.users - other.users).map((one) =>
    element(
      "tr",
      { class: one.users === plan.asked.users ? "asked" : null },
      element("td", {}, number(one.users)),
      element("td", {}, number(one.user_tokens_per_s)),
      element("td", {}, number(one.tokens_per_s)),
      element("td", {}, `${number(one.first_token_s)} s`),
      element("td", {}, number(one.ceiling_tokens_per_s)),
      element("td", {}, one.binding),
    ));
}

function filled(name, values) {
  form.elements[name].append(...values.map(([value, text]) => element("option", { value }, text)));
}

async function start() {
  try {
    const choices = await call("GET", "v1/plan/choices");
    byId("key-field").hidden = !key.get();
    if (!form.elements.model.options.length) {
      filled("model", choices.models.map((name) => [name, name]));
      const told = (one) => (one.published ? one.name : `${one.name} (nothing published)`);
      filled("platform", choices.platforms.map((one) => [one.name, told(one)]));
      filled("format", choices.formats.map((name) => [name, name]));
      form.elements.model.value = "llama-3.1-8b";
      // A link to the page holds what was asked.
      for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
        if (form.elements[name]) form.elements[name].value = value;
      }
    }
    await ask();
  } catch (error) {
    trouble(error);
  }
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", (event) => {
  if (event.target.id === "key") return;
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
});
byId("key").addEventListener("change", (event) => {
  key.set(event.target.value);
  start();
});
start();
