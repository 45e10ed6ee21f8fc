/** Color theme of this browser. A classic script in the head, so that the first paint has it. */

{
    const apply = () => {
        const root = document.documentElement;
        let theme = null;
        try {
            theme = localStorage.getItem("theme");
        } catch {
            // The browser refuses storage: the theme is the system's.
        }
        if (theme === "light" || theme === "dark") root.dataset.theme = theme;
        else delete root.dataset.theme;
    };
    apply();
    // Of another tab, and of the button in this one.
    addEventListener("storage", (event) => {
        if (event.key === "theme" || event.key === null) apply();
    });
}
