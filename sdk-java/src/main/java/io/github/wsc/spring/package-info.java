/** A client for Spring Boot: settings, events, health and metrics by themselves. Needs {@code spring-boot-autoconfigure}. */
@NullMarked
package io.github.wsc.spring;

import org.jspecify.annotations.NullMarked;
