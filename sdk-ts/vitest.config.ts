import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['packages/{client,react,vue,angular}/test/**/*.test.{ts,tsx}'], testTimeout: 20_000 },
});
