// Light and dark: the system's choice until a person makes one. index.html applies a stored choice before the first paint.

export type Choice = "system" | "light" | "dark";

const KEY = "catalyst-theme";

function stored(): Choice {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

class Theme {
  choice = $state<Choice>(stored());

  set(choice: Choice) {
    this.choice = choice;
    const root = document.documentElement;
    if (choice === "system") delete root.dataset.theme;
    else root.dataset.theme = choice;
    try {
      if (choice === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, choice);
    } catch {
      // A browser without storage keeps the choice for this page only.
    }
  }
}

export const theme = new Theme();
