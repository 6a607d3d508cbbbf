// How much room there is, where a style sheet alone would mean building both forms of a page and hiding one.

/** Below this a page is one column. The style sheets say 760px too. */
const NARROW = "(max-width: 760px)";

class Screen {
  narrow = $state(matchMedia(NARROW).matches);

  constructor() {
    matchMedia(NARROW).addEventListener("change", (event) => (this.narrow = event.matches));
  }
}

export const screen = new Screen();
