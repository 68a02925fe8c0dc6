import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [vue()],
  // The three chats share a folder beside this one.
  server: { fs: { allow: ['.', '../chat'] } },
});
