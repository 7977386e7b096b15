/** The worker's script: an entry of its own for bundlers that do not find it, such as esbuild and Rollup. It exports nothing. */
export {};
