// Figures as people read them: few digits, and a unit that goes with the size.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const hundredths = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** What is not known. */
export const UNKNOWN = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** A number of three digits or so. */
export function number(value) {
  if (!known(value)) return UNKNOWN;
  if (value >= 10_000) return short.format(value);
  return (value < 10 ? tenths : whole).format(value);
}

/** How many of something. */
export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** Milliseconds, with a number and a unit. */
export function milliseconds(value) {
  if (!known(value)) return [UNKNOWN, ""];
  if (value >= 1000) return seconds(value / 1000);
  return [(value < 1 ? hundredths : value < 10 ? tenths : whole).format(value), "ms"];
}

/** A span of time, as [number, unit] pairs in a row: "3.4 s", "2 min 13 s", "4 h 7 min", "3 d 2 h". */
export function seconds(value) {
  if (!known(value)) return [UNKNOWN, ""];
  if (value < 10) return [tenths.format(value), "s"];
  const steps = [[86_400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
  const step = steps.find(([size]) => value >= size);
  if (!step) return [whole.format(Math.floor(value)), "s"];
  const [size, unit, less, lesser] = step;
  const rest = Math.floor((value % size) / less);
  const large = [whole.format(Math.floor(value / size)), unit];
  return rest > 0 ? [...large, String(rest), lesser] : large;
}

/** Bytes. */
export function bytes(value) {
  if (!known(value)) return [UNKNOWN, ""];
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(value, 1)) / 10));
  return [number(value / 1024 ** power), units[power]];
}

/** All of it in a line. */
export const line = (parts) => parts.join(" ").trim();
