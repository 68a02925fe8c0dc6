// The packages where pages are rendered on a server: Next.js (with the provider in its layout), Nuxt, Angular. Each is built, started
// and asked for a page. Needs the npm registry and `cargo tool pack npm`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { command, folder, npm, start, tarball, write } from "./support.mjs";

const base = folder();
const packages = (name) => [tarball("client"), tarball(name)];
/** What a page shows that no client has connected for. */
const IDLE = '<p role="status">idle 0</p>';

/** A port that nobody listens on. */
const free = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** A page of a server, which ends with the test. */
async function page(context, place, words, ready, path = "/") {
  const port = await free();
  const env = { PORT: `${port}`, HOST: "127.0.0.1", NEXT_TELEMETRY_DISABLED: "1", NG_ALLOWED_HOSTS: "localhost" };
  const server = start(context, place, process.execPath, words, env);
  await server.line(ready, 30);
  const answer = await fetch(`http://localhost:${port}${path}`);
  const text = await answer.text();
  await server.stop();
  assert.equal(answer.status, 200, `${text}\n${server.said.join("\n")}`);
  return text.replace(/<!-- -->|<!--ng\w+-->/g, "");
}

test("Next.js: the provider stands in the layout, which a server renders", { timeout: 300000 }, async (context) => {
  const place = join(base, "next");
  write(join(place, "package.json"), JSON.stringify({ name: "shop", private: true }));
  await npm(place, 180, "next@16.4.6", "react@19.3.1", "react-dom@19.3.1", "typescript@5.9", "@types/react@19", "@types/node@20", ...packages("react"));
  write(join(place, "app/layout.tsx"), `import { WscProvider } from '@wsc/react';
import type { ReactNode } from 'react';

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <WscProvider url="ws://127.0.0.1:8080/ws" user="alice">{children}</WscProvider>
      </body>
    </html>
  );
}\n`);
  write(join(place, "app/page.tsx"), `'use client';
import { useConnection, useMessages } from '@wsc/react';

export default function Page() {
  const { name } = useConnection();
  const { items } = useMessages('user:bob');
  return <p role="status">{name} {items.length}</p>;
}\n`);
  const next = join(place, "node_modules/next/dist/bin/next");
  await command(place, 180, process.execPath, next, "build");
  const text = await page(context, place, [next, "start"], "Ready");
  assert.ok(text.includes(IDLE), text);
});

test("Nuxt: a plugin gives the client, and a server renders the page", { timeout: 300000 }, async (context) => {
  const place = join(base, "nuxt");
  write(join(place, "package.json"), JSON.stringify({ name: "shop", private: true, type: "module" }));
  // Later ones need a later Node.
  await npm(place, 180, "nuxt@4.2", "vue@3", "vue-router@4", "vite@7", ...packages("vue"));
  write(join(place, "nuxt.config.ts"), "export default defineNuxtConfig({ compatibilityDate: '2026-01-01', telemetry: false });\n");
  write(join(place, "app/plugins/wsc.ts"), `import { createWsc } from '@wsc/vue';

export default defineNuxtPlugin(({ vueApp }) => {
  vueApp.use(createWsc({ url: 'ws://127.0.0.1:8080/ws', user: 'alice' }));
});\n`);
  write(join(place, "app/app.vue"), `<script setup lang="ts">
import { useConnection, useMessages } from '@wsc/vue';

const state = useConnection();
const { view } = useMessages('user:bob');
</script>

<template>
  <p role="status">{{ state.name }} {{ view.items.length }}</p>
</template>\n`);
  await command(place, 180, "npx", "nuxt", "build");
  const text = await page(context, place, [".output/server/index.mjs"], "Listening on");
  assert.ok(text.includes(IDLE), text);
});

test("Angular: a page is rendered while it is built, and on a server", { timeout: 300000 }, async (context) => {
  const version = "21.2.24";
  await command(base, 60, "npm", "exec", "--yes", `--package=@angular/cli@${version}`, "--", "ng", "new", "shop", "--minimal", "--defaults", "--ssr",
    "--skip-git", "--skip-install");
  const place = join(base, "shop");
  const edit = (file, change) => write(join(place, file), change(readFileSync(join(place, file), "utf8")));
  // All of one version: newest ones are not always there together.
  edit("package.json", (text) => text.replace(/("@angular\/[\w-]+": )"[^"]+"/g, `$1"${version}"`));
  await npm(place, 180, ...packages("angular"));
  edit("src/app/app.config.ts", (text) => `import { provideWsc } from '@wsc/angular';\n${text.replace("providers: [",
    "providers: [\n    provideWsc({ url: 'ws://127.0.0.1:8080/ws', user: 'alice' }),")}`);
  write(join(place, "src/app/app.routes.server.ts"), `import { RenderMode, ServerRoute } from '@angular/ssr';

export const serverRoutes: ServerRoute[] = [
  { path: '', renderMode: RenderMode.Prerender },
  { path: '**', renderMode: RenderMode.Server },
];\n`);
  write(join(place, "src/app/app.routes.ts"), `import { Routes } from '@angular/router';
import { App } from './app';

export const routes: Routes = [{ path: '', component: App }, { path: 'live', component: App }];\n`);
  write(join(place, "src/app/app.ts"), `import { Component } from '@angular/core';
import { injectConnection, injectMessages } from '@wsc/angular';

@Component({ selector: 'app-root', template: \`<p role="status">{{ state().name }} {{ messages.view().items.length }}</p>\` })
export class App {
  protected readonly state = injectConnection();
  protected readonly messages = injectMessages(() => 'user:bob');
}\n`);
  await command(place, 180, "npx", "ng", "build");
  assert.ok(readFileSync(join(place, "dist/shop/browser/index.html"), "utf8").includes(IDLE));
  const text = await page(context, place, ["dist/shop/server/server.mjs"], "listening on", "/live");
  assert.ok(text.includes(IDLE), text);
});
