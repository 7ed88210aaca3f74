"""Scripts that ask a page, in a browser, what somebody could not read or reach; each lists it."""

# As axe-core's rule color-contrast asks for: WCAG 2.2, 1.4.3, level AA.
CONTRAST = """
    const numbers = (colour) => (colour.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const over = (top, under) => {
        const a = top[3] ?? 1;
        return [0, 1, 2].map((i) => top[i] * a + under[i] * (1 - a));
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (node) => {
        const layers = [];
        for (let at = node; at; at = at.parentElement) {
            layers.push(numbers(getComputedStyle(at).backgroundColor));
        }
        return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
    };
    const poor = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
        const style = getComputedStyle(node), back = behind(node);
        if (numbers(style.color)[3] === 0) continue;  // a spoiler, until somebody opens it
        const colour = over(numbers(node.closest("svg") ? style.fill : style.color), back);
        const [high, low] = [light(colour), light(back)].sort((a, b) => b - a);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < (large ? 3 : 4.5)) {
            const said = walker.currentNode.textContent.slice(0, 40);
            poor.add(`${node.tagName}.${node.getAttribute("class")} ${ratio.toFixed(2)} ${said}`);
        }
    }
    return [...poor];
"""

# As axe-core's rules scrollable-region-focusable, landmark-unique and empty-table-header ask for.
UNREACHED = """
    const seen = [...document.body.querySelectorAll("*")].filter((node) => node.checkVisibility());
    const scrolls = (node, way) => /auto|scroll/.test(getComputedStyle(node)[`overflow${way}`]);
    const label = (node) => node.getAttribute("aria-label")
        ?? document.getElementById(node.getAttribute("aria-labelledby"))?.textContent;
    const unreached = seen.filter((node) =>
        (scrolls(node, "Y") && node.scrollHeight > node.clientHeight + 1)
        || (scrolls(node, "X") && node.scrollWidth > node.clientWidth + 1))
        .filter((node) => !node.querySelector("a, button, summary") && node.tabIndex < 0);
    const marks = seen.filter((node) =>
        node.matches("nav, [role=region], section[aria-labelledby]"));
    const names = marks.map((node) => `${node.tagName} ${node.role} ${label(node)}`);
    const twice = marks.filter((_, place) => names.indexOf(names[place]) !== place);
    const empty = seen.filter((node) => node.tagName === "TH" && !node.textContent.trim());
    const nameless = seen.filter((node) => node.matches("pre[tabindex]") && !label(node));
    return [...unreached, ...twice, ...empty, ...nameless]
        .map((node) => node.outerHTML.slice(0, 120));
"""
