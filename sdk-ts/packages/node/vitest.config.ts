import { defineConfig } from 'vitest/config';

// Apart from the others: these tests need the native part (`cargo tool node`). A process for each file: what one measures or
// kills disturbs no other.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    pool: 'forks',
    fileParallelism: false,
    // CommonJS stays with Node.
    server: { deps: { external: [/\/library\/index\.js$/] } },
  },
});
