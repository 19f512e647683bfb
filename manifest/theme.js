// The theme that the user chose in place of the system's, before anything is drawn. Each page follows a change at once.
const show = () => (document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "");
show();
addEventListener("storage", show);
