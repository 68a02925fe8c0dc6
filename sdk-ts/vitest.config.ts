import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['packages/*/test/**/*.test.{ts,tsx}'], testTimeout: 20_000 },
});
