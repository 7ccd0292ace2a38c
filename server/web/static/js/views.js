/** The views in the order of the navigation. Each is loaded when it is first opened; see `View` in main.js. */

export const VIEWS = [
  { name: "try", title: "Try", load: () => import("./views/try.js") },
  { name: "why", title: "Why", load: () => import("./views/why.js") },
  { name: "compare", title: "Compare", load: () => import("./views/compare.js") },
  { name: "file", title: "File", load: () => import("./views/file.js") },
  { name: "model", title: "Model", load: () => import("./views/model.js") },
  { name: "server", title: "Server", load: () => import("./views/server.js") },
  { name: "api", title: "API", load: () => import("./views/api.js") },
];
