// Throughput against latency as SVG: the curve of a plan, and what was asked for.

const SVG = "http://www.w3.org/2000/svg";
const BOX = { left: 70, right: 700, top: 24, bottom: 370 };
const LABELS = 8;

function shape(name, attributes, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  if (text !== null) made.textContent = text;
  return made;
}

// Ends of a scale and the round numbers on it.
export function ticks(most) {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough);
  const marks = [];
  for (let mark = 0; mark <= most * 1.001 + step * 0.999; mark += step) marks.push(mark);
  return marks;
}

export function drawn(plan, objective) {
  const points = plan.curve;
  const across = ticks(Math.max(...points.map((one) => one.token_ms)));
  const upwards = ticks(Math.max(...points.map((one) => one.tokens_per_s)));
  const x = (ms) => BOX.left + (ms / across.at(-1)) * (BOX.right - BOX.left);
  const y = (rate) => BOX.bottom - (rate / upwards.at(-1)) * (BOX.bottom - BOX.top);
  const path = points.map((one) => `${x(one.token_ms)},${y(one.tokens_per_s)}`);
  return [
    ...across.map((mark) => shape("line", { class: "grid", x1: x(mark), x2: x(mark), y1: BOX.top, y2: BOX.bottom })),
    ...upwards.map((mark) => shape("line", { class: "grid", x1: BOX.left, x2: BOX.right, y1: y(mark), y2: y(mark) })),
    ...across.map((mark) => shape("text", { x: x(mark), y: BOX.bottom + 18, "text-anchor": "middle" }, short(mark))),
    ...upwards.map((mark) => shape("text", { x: BOX.left - 8, y: y(mark) + 4, "text-anchor": "end" }, short(mark))),
    shape("text", { x: BOX.right, y: BOX.bottom + 38, "text-anchor": "end" }, "milliseconds a token"),
    shape("text", { x: BOX.left, y: 16 }, "tokens a second, of all users"),
    ...limit(objective, across.at(-1), x),
    shape("polyline", { class: "curve", points: path.join(" ") }),
    ...points.flatMap((one, place) => marked(one, place, plan, x, y)),
  ];
}

// The line right of which a token takes longer than was asked for.
function limit(objective, most, x) {
  const ms = 1000 / objective;
  if (!(ms <= most)) return [];
  const told = `${short(objective)} tokens/s each`;
  return [
    shape("line", { class: "objective", x1: x(ms), x2: x(ms), y1: BOX.top, y2: BOX.bottom }),
    shape("text", { class: "objective", x: x(ms) - 6, y: BOX.bottom - 8, "text-anchor": "end" }, told),
  ];
}

function marked(one, place, plan, x, y) {
  const asked = one.users === plan.asked.served;
  const named = asked || place % Math.ceil(plan.curve.length / LABELS) === 0;
  const [across, up] = [x(one.token_ms), y(one.tokens_per_s)];
  const circle = shape("circle", { class: asked ? "point asked" : "point", cx: across, cy: up, r: asked ? 6 : 4 });
  const figures = `${short(one.user_tokens_per_s)} tokens/s each, ${short(one.tokens_per_s)} together`;
  circle.append(shape("title", {}, `${one.users} users: ${figures}`));
  const label = shape("text", { class: asked ? "asked" : "", x: across + 8, y: up + 16 }, `${one.users}`);
  return named ? [circle, label] : [circle];
}

const short = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
