// What a figure was in the last two minutes. It forgets what is older, so a page may stay open for a year.

/** How far back it goes, in milliseconds. */
export const SPAN = 120_000;

/** After so long without a value the line is broken: nobody looked meanwhile. */
const GAP = 5000;

/** More values are not kept: one comes each second. */
const MOST = 240;

export class History {
  /** The oldest first: when, and a number for each line of the plot, null where it is not known. */
  points = [];

  add(at, values) {
    this.points.push({ at, values });
    const begin = at - SPAN - 2 * GAP;
    while (this.points.length > MOST || this.points[0].at < begin) this.points.shift();
  }

  /** The stretches of one line that can be drawn through. */
  stretches(line) {
    const stretches = [];
    let last = -Infinity;
    for (const { at, values } of this.points) {
      const value = values[line];
      if (value === null || value === undefined) {
        last = -Infinity;
        continue;
      }
      if (at - last > GAP) stretches.push([]);
      stretches.at(-1).push([at, value]);
      last = at;
    }
    return stretches;
  }

  /** The least and the most of all lines; null if nothing is known. */
  extent() {
    const values = this.points.flatMap(({ values }) => values).filter((value) => typeof value === "number");
    return values.length ? [Math.min(...values), Math.max(...values)] : null;
  }
}
