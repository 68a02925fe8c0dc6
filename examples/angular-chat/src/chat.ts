import { Component, computed } from '@angular/core';
import { injectClient, injectConversations, injectPresence, injectReadable } from '@wsc/angular';
import { linkTo, opened } from '../../chat/screen';
import { presenceOf, rowsOf, titleOf } from '../../chat/words';
import { Pane } from './pane';
import { Start } from './start';

@Component({
  selector: 'support-chat',
  imports: [Pane, Start],
  template: `
    <div class="chat" [class.open]="open()">
      <aside class="side">
        <header>
          <h1>Support desk</h1>
          <p class="quiet">{{ user }}@if (conversations().unread) {, {{ conversations().unread }} unread}</p>
        </header>
        <chat-start class="contents" />
        <nav aria-label="Conversations">
          <ul class="conversations">
            @for (row of rows(); track row.name) {
              <li>
                <a [href]="linkTo(row.name)" [attr.aria-current]="row.name === open() ? true : null">
                  <span class="dot" [class.none]="!row.name.startsWith('user:')" [attr.data-status]="statuses().get(titleOf(row.name))"></span>
                  <span class="title">{{ titleOf(row.name) }}<span class="hidden">{{ statuses().get(titleOf(row.name)) }}</span></span>
                  @if (row.unread) {
                    <span class="badge">{{ row.unread }}<span class="hidden"> unread</span></span>
                  }
                  <span class="preview">{{ row.message?.content ?? row.message?.message_type }}</span>
                </a>
              </li>
            }
          </ul>
        </nav>
        @if (conversations().loaded && rows().length === 0) {
          <p class="empty">No conversations yet. Begin one above.</p>
        }
      </aside>
      <!-- For another conversation a new pane is made: its text and its place belong to one conversation. -->
      @for (name of shown(); track name) {
        <chat-pane class="contents" [name]="name" />
      } @empty {
        <main class="pane"><p class="empty">Choose a conversation.</p></main>
      }
    </div>
  `,
})
export class Chat {
  protected readonly user = injectClient().user;
  protected readonly conversations = injectConversations();
  protected readonly open = injectReadable(() => opened);
  protected readonly shown = computed(() => [this.open()].filter((name) => name !== undefined));
  protected readonly rows = computed(() => rowsOf(this.conversations().list, this.open()));
  protected readonly statuses = injectPresence(() => presenceOf('broadcast', ...this.rows().map(({ name }) => name)));
  protected readonly linkTo = linkTo;
  protected readonly titleOf = titleOf;
}
