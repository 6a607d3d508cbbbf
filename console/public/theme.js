// Before the first paint: a stored choice of light or dark, so that the page does not flash.
try {
  const choice = localStorage.getItem("catalyst-theme");
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
} catch {
  // No storage: the system's choice stands.
}
