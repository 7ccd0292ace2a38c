/** The views in the order of the navigation. Each is loaded when it is first opened; see `View` in main.js. */

export const VIEWS = [
  { name: "try", title: "Try", load: () => import("./views/try.js") },
  { name: "file", title: "File", load: () => import("./views/file.js") },
];
